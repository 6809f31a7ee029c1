"""Convert the Sphinx markup in docstrings to Markdown for the site: roles, ``::``, and ``#:`` comments."""

import re

from griffe import Attribute, Docstring, Extension, Object

ROLE = re.compile(r':(?:func|class|meth|data|attr|mod):`(~?)([\w.]+)`')


def in_markdown(text: str, of: Object) -> str:
    """Convert the Sphinx markup of a docstring. Roles become links, and ``::`` at the end of a line becomes ``:``.

    Args:
        text: the docstring.
        of: the object that the docstring describes. Names in roles are resolved in its scope.

    Returns:
        Markdown. A role becomes a link only if the site documents the object that the role names.
    """

    def link(role: re.Match) -> str:
        short, name = role.groups()
        try:
            path = of.resolve(name)
        except Exception:  # the name is a full path, or belongs to a parent class
            path = name
        shown = name.rpartition('.')[2] if short else name
        return f'<autoref identifier="{path}" optional><code>{shown}</code></autoref>'

    return re.sub(r'::$', ':', ROLE.sub(link, text), flags=re.M)


def comment_above(attr: Attribute) -> str:
    """Return the text of the ``#:`` lines directly above an assignment, or '' if there are no such lines."""
    lines = attr.filepath.read_text(encoding='utf-8').splitlines()[: attr.lineno - 1]
    words: list[str] = []
    while lines and lines[-1].lstrip().startswith('#:'):
        words.insert(0, lines.pop().lstrip().removeprefix('#:').strip())
    return ' '.join(words)


class Markdown(Extension):
    """Convert every docstring of the package to Markdown, and make docstrings from ``#:`` comments."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Convert the docstring of an object. If an attribute has no docstring, use its ``#:`` comment."""
        if obj.is_attribute and obj.docstring is None and (comment := comment_above(obj)):
            obj.docstring = Docstring(comment, parent=obj)
        if obj.docstring is not None:
            obj.docstring.value = in_markdown(obj.docstring.value, obj)
