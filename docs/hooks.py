"""Hooks of mkdocs for links from the pages in docs/en to other files of the checkout.

A page may link to a config, a source file or the README. For each such file, the site gets an entry in ``source/``. A
Markdown file is published as a page, other text as a page with highlighted code, and any other file without changes. If
a published Markdown file links to further files, these are published too. Files to which no page links are not
published. The hooks change all these links to the paths in the site.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES, SOURCE = 'docs/en/', 'source/'
LINK = re.compile(r'(?<=]\()(?!\w+:|#)([^)\s#]+)(?=[)\s#])')
#: Maps the suffix of a text file to its language for highlighting. Files with other suffixes are published unchanged.
LANGUAGES = {
    '.py': 'python',
    '.yml': 'yaml',
    '.toml': 'toml',
    '.cff': 'yaml',
    '.sh': 'bash',
    '.csv': 'text',
    '': 'text',
}


def place_of(uri: str) -> str:
    """Return the path in the checkout of the file for a page of the site.

    Example: ``README.md`` for ``source/README.md``.
    """
    if not uri.startswith(SOURCE):
        return PAGES + uri
    path = uri.removeprefix(SOURCE)
    return path if (ROOT / path).is_file() else path.removesuffix('.md')


def uri_of(path: str) -> str:
    """Return the path in the site for a file of the checkout.

    Examples: ``source/README.md`` for ``README.md``, and ``source/tools/test.py.md`` for ``tools/test.py``.
    """
    if path.startswith(PAGES):
        return path.removeprefix(PAGES)
    return f'{SOURCE}{path}.md' if Path(path).suffix in LANGUAGES else SOURCE + path


def target_of(link: str, place: str) -> str | None:
    """Return the path in the checkout of the file to which a link leads.

    Args:
        link: the link, as it is written in the Markdown file.
        place: path of the Markdown file in the checkout.

    Returns:
        The path, or None if there is no such file. mkdocs reports such a link.
    """
    path = posixpath.normpath(posixpath.join(posixpath.dirname(place), link))
    return path if not path.startswith('..') and (ROOT / path).is_file() else None


def linked_from(place: str) -> Iterator[str]:
    """Yield the files outside docs/en to which a Markdown file links, directly or through other Markdown files."""
    waiting, seen = [place], {place}
    while waiting:
        place = waiting.pop()
        for link in LINK.findall((ROOT / place).read_text(encoding='utf-8')):
            target = target_of(link, place)
            if target is None or target in seen or target.startswith(PAGES):
                continue
            seen.add(target)
            yield target
            if target.endswith('.md'):
                waiting.append(target)


def published(path: str, config: MkDocsConfig) -> File:
    """Return the file of the site for a file of the checkout."""
    suffix, uri = Path(path).suffix, uri_of(path)
    if suffix not in LANGUAGES:
        return File.generated(config, uri, abs_src_path=str(ROOT / path), inclusion=InclusionLevel.NOT_IN_NAV)
    text = (ROOT / path).read_text(encoding='utf-8')
    page = f'---\nsearch: {{exclude: true}}\n---\n# {path}\n\n````{LANGUAGES[suffix]}\n{text}\n````\n'
    return File.generated(config, uri, content=page, inclusion=InclusionLevel.NOT_IN_NAV)


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the files of the checkout to which the pages link."""
    pages = [PAGES + file.src_uri for file in files.documentation_pages()]
    for path in sorted({target for page in pages for target in linked_from(page)}):
        files.append(published(path, config))


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Change the links to files of the checkout to the paths of these files in the site."""
    place, folder = place_of(page.file.src_uri), posixpath.dirname(page.file.src_uri)
    if not place.endswith('.md'):
        return markdown

    def turned(link: re.Match) -> str:
        target = target_of(link[0], place)
        return link[0] if target is None else os.path.relpath(uri_of(target), folder or '.').replace(os.sep, '/')

    return LINK.sub(turned, markdown)
