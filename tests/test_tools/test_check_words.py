"""The tool check_words.py: words that it refuses, words that it accepts, and the reasons of exceptions."""

import pytest
import yaml
from conftest import ROOT, load_tool

from mmderain.errors import InputError

tool = load_tool('dev/check_words')
CONTENT = dict(
    identifiers={'picture': 'image'},
    names={'cut': 'iter_tiles', 'TakeFromFolder': 'ReplaceFromFolder'},
    phrases={'come along': 'bundled', 'pictures?': 'image'},
    exceptions=[dict(path='docs/*.md', words=['pictures?'], reason='a title')],
)


def findings(path: str, text: str) -> list[tuple[int, str]]:
    """Return line and word of each finding."""
    return [(finding.line, finding.word) for finding in tool.check_file(path, text, tool.WordList(CONTENT))]


@pytest.mark.parametrize(
    'text, expected',
    [
        ('def draw_picture(): pass', [(1, 'draw_picture')]),
        ('class PictureSize: pass', [(1, 'PictureSize')]),
        ('class Depicture: pass', []),
        ('def f(cut): pass', [(1, 'cut')]),
        ('def f():\n    self.cut, b = 1, 2', [(2, 'cut')]),
        ('import a.b as TakeFromFolder', [(1, 'TakeFromFolder')]),
        ('cut_off = 1', []),
        ('a = b.picture', []),  # an attribute of another library
    ],
)
def test_identifiers_are_found_by_syntax(text, expected):
    assert findings('a.py', text) == expected


@pytest.mark.parametrize(
    'path, text, expected',
    [
        ('a.py', '"""One.\n\nThe Pictures of it.\n"""', [(3, 'Pictures')]),
        ('a.py', 'x = 1\n# weights that come\n# along\n', [(2, 'come\n# along')]),
        ('a.py', 'raise E(f"{x}: no picture")', [(1, 'picture')]),
        ('a.md', 'weights that come\nalong', [(1, 'come\nalong')]),
        ('a.md', 'pictured', []),
        ('docs/a.md', 'a picture', []),
        ('docs/a.md', 'come along', [(1, 'come along')]),
    ],
)
def test_phrases_are_found_in_prose(path, text, expected):
    assert findings(path, text) == expected


def test_an_exception_needs_a_reason():
    with pytest.raises(InputError, match="exception for 'a.py' gives no reason"):
        tool.WordList({**CONTENT, 'exceptions': [dict(path='a.py', words=['*'])]})


def test_the_list_of_the_project_refuses_the_words_of_its_design():
    words = tool.WordList(yaml.safe_load((ROOT / 'tools/dev/words.yml').read_text(encoding='utf-8')))
    text = '"""What came of a call on pictures that come along."""\ndef takes_draws(): pass\n'
    assert {finding.word for finding in tool.check_file('a.py', text, words)} == {
        'What came of', 'pictures', 'come along', 'takes_draws',
    }  # fmt: skip
