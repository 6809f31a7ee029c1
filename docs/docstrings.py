"""Convert the Sphinx markup in docstrings to Markdown for the site: roles, ``::``, and ``#:`` comments."""

import re

from griffe import Attribute, Docstring, Extension, Object

ROLE = re.compile(r':(?:func|class|meth|data|attr|mod):`(~?)([\w.]+)`')


def in_markdown(text: str, of: Object) -> str:
    """Return text with roles as links, if the site has the object, and ``::`` as ``:``."""

    def link(role: re.Match) -> str:
        short, name = role.groups()
        try:
            path = of.resolve(name)
        except Exception:  # a full path, or a name of a parent class
            path = name
        shown = name.rpartition('.')[2] if short else name
        return f'<autoref identifier="{path}" optional><code>{shown}</code></autoref>'

    return re.sub(r'::$', ':', ROLE.sub(link, text), flags=re.M)


def comment_above(attr: Attribute) -> str:
    """Return the text of the ``#:`` lines above an assignment."""
    lines = attr.filepath.read_text(encoding='utf-8').splitlines()[: attr.lineno - 1]
    words: list[str] = []
    while lines and lines[-1].lstrip().startswith('#:'):
        words.insert(0, lines.pop().lstrip().removeprefix('#:').strip())
    return ' '.join(words)


class Markdown(Extension):
    """Convert every docstring of the package, and make docstrings from ``#:`` comments."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Convert the docstring of an object."""
        if obj.is_attribute and obj.docstring is None and (comment := comment_above(obj)):
            obj.docstring = Docstring(comment, parent=obj)
        if obj.docstring is not None:
            obj.docstring.value = in_markdown(obj.docstring.value, obj)
