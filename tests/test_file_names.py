"""Names with any bytes, consoles that lack characters, and empty paths do not end a program with a traceback."""

import ast
import contextlib
import io
import os
import sys

import numpy as np
import pytest
from conftest import ROOT, load_tool

from mmderain.cli import main
from mmderain.cli.command import CommandParser, ExpandPatterns, command
from mmderain.io.image import write_image

IMG = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
#: Names of files: bytes that are no text, letters that cp1252 and ASCII lack, and a name of 255 bytes.
NAMES = [os.fsdecode(b'\xff\xe4.png'), '雨.png', 'ä' * 125 + 'b.png'] if sys.platform != 'win32' else ['雨.png']


@contextlib.contextmanager
def console(encoding):
    """Replace standard output and standard error by streams with an encoding, as Python creates them.

    Yields:
        A function that returns the text of both streams.
    """
    streams = [io.TextIOWrapper(io.BytesIO(), encoding, errors) for errors in ('strict', 'backslashreplace')]
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = streams
    try:
        yield lambda: b''.join(stream.flush() or stream.buffer.getvalue() for stream in streams).decode(encoding)
    finally:
        sys.stdout, sys.stderr = before


ENCODINGS = pytest.mark.parametrize('encoding', ['cp1252', 'ascii', 'utf-8'])


@pytest.fixture
def folders(tmp_path):
    for folder in ('pred', 'gt'):
        for name in NAMES:
            write_image(IMG, tmp_path / folder / name)
    return tmp_path


@ENCODINGS
def test_evaluate_folder_prints_and_writes_all_names(folders, encoding):
    tool, arguments = load_tool('evaluate_folder'), [str(folders / 'pred'), str(folders / 'gt')]
    with console(encoding) as output:
        assert tool.main([*arguments, '--out', str(folders / 'out')]) == 0
    assert f'mean of {len(NAMES)}  PSNR-Y inf' in output()
    table = (folders / 'out/per_image.csv').read_text(encoding='utf-8')
    assert table.count(',inf,') == len(NAMES) and '雨.png,inf' in table


@ENCODINGS
def test_rain_is_drawn_over_images_with_any_name(folders, encoding):
    with console(encoding):
        assert main(['rain', str(folders / 'gt'), str(folders / 'rainy')]) == 0
    assert sorted(path.name for path in (folders / 'rainy/rain').iterdir()) == sorted(NAMES)


def test_images_with_any_name_are_derained(folders):
    options = ['--out', str(folders / 'derained'), '--model', 'sian', '--precision', 'fp32']
    with console('cp1252') as output:
        status = main(['derain', str(folders / 'gt'), *options])
    assert status == 0, output()
    assert sorted(path.name for path in (folders / 'derained').iterdir()) == sorted(NAMES)


@ENCODINGS
def test_errors_show_the_name(encoding):
    with console(encoding) as output:
        assert main(['rain', '/no/雨\udcff', '/no/x']) == 1
    assert 'error: /no/' in output() and '\\udcff: no such folder' in output()


@ENCODINGS
def test_the_console_is_restored(encoding):
    @command(lambda argv: CommandParser('Do it.').parse_args(argv))
    def program(args):
        print('雨\udcff')

    with console(encoding) as output:
        assert program([]) == 0 and sys.stdout.errors == 'strict'
    assert output() == ('雨' if encoding == 'utf-8' else '\\u96e8') + '\\udcff\n'


def test_patterns_are_expanded_with_the_type_of_the_argument(tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    for name in ('b.png', 'a.png'):
        (tmp_path / name).touch()
    parser = CommandParser('Do it.')
    parser.add_argument('inputs', nargs='+', action=ExpandPatterns)
    parser.add_argument('--more', nargs='+', type=Path, action=ExpandPatterns)
    args = parser.parse_args(['*.png', 'c.png', '--more', '[a]*'])
    assert args.inputs == ['a.png', 'b.png', 'c.png'] and args.more == [Path('a.png')]


@pytest.mark.parametrize(
    'arguments',
    [
        ['derain', '', '--out', 'x'],
        ['derain', 'a.png', '--out', ''],
        ['derain', 'a.png', '--out', 'x', '--model', ' '],
        ['detect', '', '--out', 'x'],
        ['segment', 'a.png', '--out', ''],
        ['rain', '', 'x'],
        ['rain', 'x', ''],
        ['joint-test', '', 'a.pth'],
        ['convert', 'sian', 'a.pth', ''],
        ['cache', 'clear', ''],
        ['web', '--auth-file', ''],
    ],
    ids=' '.join,
)
def test_empty_paths_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert 'found an empty text; check that all shell variables in the command are set' in capsys.readouterr().err


def test_all_programs_use_the_parser_that_refuses_empty_texts():
    """Check that only a few arguments accept an empty text. They are parts of names, or the words of a sub-command."""
    own_types = {}
    for path in [*(ROOT / 'mmderain').rglob('*.py'), *(ROOT / 'tools').rglob('*.py'), *(ROOT / 'demo').glob('*.py')]:
        tree = ast.parse(path.read_text(encoding='utf-8'))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            function = ast.unparse(call.func)
            if path.name != 'time_in_tree.py':  # benchmark.py runs this program, not a user
                assert function not in ('argparse.ArgumentParser', 'ArgumentParser'), path
            if function.endswith('add_argument'):
                kinds = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == 'type']
                if kinds == ['str']:
                    own_types.setdefault(path.relative_to(ROOT).as_posix(), []).append(ast.unparse(call.args[0]))
    assert own_types == {'tools/evaluate_folder.py': ["'--pairing'"], 'tools/dev/compare_rain.py': ["'--pairing'"]}
