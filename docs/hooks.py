"""Hooks of mkdocs for links that lead out of docs/en.

In the checkout a page may link to a config, a source file or the README. The site has pages for these in ``source/``:
Markdown as it is, other text highlighted, anything else as a file. Files that such Markdown links to are added too, and
all links are changed to the places in the site. Files without a link are not published.
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
#: Maps the suffix of a file to its language for highlighting; files with other suffixes are published as they are.
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
    """Return the path in the checkout of a page of the site: ``README.md`` for ``source/README.md``."""
    if not uri.startswith(SOURCE):
        return PAGES + uri
    path = uri.removeprefix(SOURCE)
    return path if (ROOT / path).is_file() else path.removesuffix('.md')


def uri_of(path: str) -> str:
    """Return the path in the site of a file of the checkout.

    It is ``source/README.md`` for ``README.md``, and ``source/tools/test.py.md`` for ``tools/test.py``.
    """
    if path.startswith(PAGES):
        return path.removeprefix(PAGES)
    return f'{SOURCE}{path}.md' if Path(path).suffix in LANGUAGES else SOURCE + path


def target_of(link: str, place: str) -> str | None:
    """Return the file of the checkout that a link leads to, or None if there is none; mkdocs reports that."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(place), link))
    return path if not path.startswith('..') and (ROOT / path).is_file() else None


def linked_from(place: str) -> Iterator[str]:
    """Return the files outside docs/en that a Markdown file links to, directly or through other Markdown files."""
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
    """Return a file of the checkout as a file of the site."""
    suffix, uri = Path(path).suffix, uri_of(path)
    if suffix not in LANGUAGES:
        return File.generated(config, uri, abs_src_path=str(ROOT / path), inclusion=InclusionLevel.NOT_IN_NAV)
    text = (ROOT / path).read_text(encoding='utf-8')
    page = f'---\nsearch: {{exclude: true}}\n---\n# {path}\n\n````{LANGUAGES[suffix]}\n{text}\n````\n'
    return File.generated(config, uri, content=page, inclusion=InclusionLevel.NOT_IN_NAV)


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the files that the pages link to."""
    pages = [PAGES + file.src_uri for file in files.documentation_pages()]
    for path in sorted({target for page in pages for target in linked_from(page)}):
        files.append(published(path, config))


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Change links to files of the checkout to the places in the site."""
    place, folder = place_of(page.file.src_uri), posixpath.dirname(page.file.src_uri)
    if not place.endswith('.md'):
        return markdown

    def turned(link: re.Match) -> str:
        target = target_of(link[0], place)
        return link[0] if target is None else os.path.relpath(uri_of(target), folder or '.').replace(os.sep, '/')

    return LINK.sub(turned, markdown)
