"""Hooks of mkdocs for links from the pages in docs/en to other files of the checkout.

A page may link to a config, a source file or the README. The hooks publish each such file in the folder ``source/`` of
the site. A Markdown file becomes a page, other text becomes a page with highlighted code, and any other file is
published without changes. If a published Markdown file links to further files, these files are published too. A file
that no page links to is not published. The hooks change the links to the paths in the site.
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
    """Convert the path of a page in the site to the path of its file in the checkout.

    Example: ``README.md`` for ``source/README.md``.
    """
    if not uri.startswith(SOURCE):
        return PAGES + uri
    path = uri.removeprefix(SOURCE)
    return path if (ROOT / path).is_file() else path.removesuffix('.md')


def uri_of(path: str) -> str:
    """Convert the path of a file in the checkout to its path in the site.

    Examples: ``source/README.md`` for ``README.md``, and ``source/tools/test.py.md`` for ``tools/test.py``.
    """
    if path.startswith(PAGES):
        return path.removeprefix(PAGES)
    return f'{SOURCE}{path}.md' if Path(path).suffix in LANGUAGES else SOURCE + path


def target_of(link: str, place: str) -> str | None:
    """Find the file that a link in a Markdown file leads to.

    Args:
        link: the link, as it is written in the Markdown file.
        place: path of the Markdown file in the checkout.

    Returns:
        The path of the file in the checkout. None if there is no such file; mkdocs then reports the link.
    """
    path = posixpath.normpath(posixpath.join(posixpath.dirname(place), link))
    return path if not path.startswith('..') and (ROOT / path).is_file() else None


def linked_from(place: str) -> Iterator[str]:
    """Yield the files outside docs/en that a Markdown file links to, directly or through other Markdown files."""
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
    """Make the file of the site that publishes a file of the checkout."""
    suffix, uri = Path(path).suffix, uri_of(path)
    if suffix not in LANGUAGES:
        return File.generated(config, uri, abs_src_path=str(ROOT / path), inclusion=InclusionLevel.NOT_IN_NAV)
    text = (ROOT / path).read_text(encoding='utf-8')
    page = f'---\nsearch: {{exclude: true}}\n---\n# {path}\n\n````{LANGUAGES[suffix]}\n{text}\n````\n'
    return File.generated(config, uri, content=page, inclusion=InclusionLevel.NOT_IN_NAV)


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the files of the checkout that the pages link to."""
    pages = [PAGES + file.src_uri for file in files.documentation_pages()]
    for path in sorted({target for page in pages for target in linked_from(page)}):
        files.append(published(path, config))


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Change each link to a file of the checkout, so that it leads to the path of this file in the site."""
    place, folder = place_of(page.file.src_uri), posixpath.dirname(page.file.src_uri)
    if not place.endswith('.md'):
        return markdown

    def turned(link: re.Match) -> str:
        target = target_of(link[0], place)
        return link[0] if target is None else os.path.relpath(uri_of(target), folder or '.').replace(os.sep, '/')

    return LINK.sub(turned, markdown)
