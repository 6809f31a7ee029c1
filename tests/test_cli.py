"""What all commands do in the same way: errors, --traceback, Ctrl+C, closed pipes, and help from docstrings."""

import argparse
import os
import subprocess
import sys

import pytest
from conftest import ROOT, load_tool
from torch._utils import ExceptionWrapper

from mmderain import cli
from mmderain.cli.command import INTERRUPTED, OUTPUT_CLOSED, CommandParser, command
from mmderain.cli.options import add_cfg_options, non_negative_int, positive_int
from mmderain.errors import InputError

#: All programs of tools/ and demo/ except time_in_tree.py, which does not use the command line functions of mmderain.
SCRIPTS = [path for path in sorted((ROOT / 'tools').rglob('*.py')) if path.name != 'time_in_tree.py']
SCRIPTS = [path for path in SCRIPTS if path.parent.name not in ('campaigns', 'speed_parts')]  # modules of other scripts
SCRIPTS += sorted((ROOT / 'demo').glob('*.py'))
MODULES_OF_SCRIPTS = ('inference_loops.py', 'mim_files.py', 'training_recipes.py')


def make_main(action, status=None):
    """Return the ``main`` of a command that calls ``action`` and returns ``status``."""

    @command(CommandParser('Do something.').parse_args)
    def main(args):
        action()
        return status

    return main


def fail(error):
    """Return a function that raises an error."""

    def action():
        raise error

    return action


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize('error', [InputError('a.png: wrong'), FileNotFoundError('a.png: wrong')])
def test_bad_input_prints_one_line(error, capsys):
    main = make_main(fail(error))
    assert main([]) == 1
    assert capsys.readouterr().err == 'error: a.png: wrong\n'
    with pytest.raises(type(error), match='a.png: wrong'):
        main(['--traceback'])
    assert capsys.readouterr().err == ''


def test_an_optional_positional_argument_can_follow_an_option():
    """argparse alone would refuse this order of the arguments."""
    parser = CommandParser('Do something.')
    parser.add_argument('config')
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--out')
    args = parser.parse_args(['a.py', '--out', 'dir', 'b.pth'])
    assert (args.config, args.checkpoint, args.out) == ('a.py', 'b.pth', 'dir')
    assert parser.parse_args(['a.py']).checkpoint is None
    args = cli.parse_args(['joint-test', 'a.py', '--seed', '1', 'b.pth'])
    assert (args.config, args.checkpoint) == ('a.py', 'b.pth')
    with pytest.raises(SystemExit):
        parser.parse_args(['a.py', 'b.pth', 'c.pth'])


def test_other_errors_are_raised():
    with pytest.raises(ZeroDivisionError):
        make_main(lambda: 1 / 0)([])


@pytest.mark.parametrize('kind', [InputError, FileNotFoundError])
def test_an_error_of_a_loader_process_prints_one_line(kind, capsys):
    try:
        raise kind('a.png: wrong')
    except kind:
        wrapped = ExceptionWrapper(where='in DataLoader worker process 0')
    assert make_main(wrapped.reraise)([]) == 1
    assert capsys.readouterr().err == 'error: a.png: wrong\n'


@pytest.mark.parametrize('status, expected', [(None, 0), (0, 0), (3, 3)])
def test_the_status_of_the_function_is_returned(status, expected):
    assert make_main(list, status)([]) == expected


def test_wrong_arguments_exit_with_status_2(capsys):
    with pytest.raises(SystemExit) as end:
        make_main(list)(['--trace_back'])
    assert end.value.code == 2 and 'unrecognized arguments: --trace_back' in capsys.readouterr().err


# --- signals and pipes ---------------------------------------------------------------------------


def test_ctrl_c_ends_without_a_traceback(capsys):
    main = make_main(fail(KeyboardInterrupt))
    assert main([]) == INTERRUPTED == 130
    assert capsys.readouterr() == ('', '')
    with pytest.raises(KeyboardInterrupt):
        main(['--traceback'])


@pytest.mark.parametrize('lines', [1, 100_000])
def test_a_closed_pipe_gives_no_error_for_short_and_long_output(lines, tmp_path):
    """Python writes short output when the command ends, and long output while the command runs."""
    script = tmp_path / 'script.py'
    script.write_text(
        'import sys, time\n'
        'from mmderain.cli.command import CommandParser, command\n'
        '@command(CommandParser("Print.").parse_args)\n'
        'def main(args):\n'
        '    sys.stdin.read()\n'  # waits until the reader has closed the pipe
        f'    for _ in range({lines}):\n'
        '        print("a line of some length")\n'
        'sys.exit(main())\n'
    )
    pipe = subprocess.PIPE
    buffered = {key: value for key, value in os.environ.items() if key != 'PYTHONUNBUFFERED'}
    process = subprocess.Popen([sys.executable, script], env=buffered, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b''
    assert process.wait() == (0 if lines == 1 else OUTPUT_CLOSED)


# --- parsers -------------------------------------------------------------------------------------


def test_help_is_the_docstring():
    parser = CommandParser('Do something.\n\n    python tool.py\n\nIt takes a while.\n', prog='tool')
    text = parser.format_help()
    assert text.startswith('usage: tool [-h] [--traceback]\n\nDo something.\n')
    assert text.endswith('\n\nexample:\n    python tool.py\n\nIt takes a while.\n')
    assert '--traceback  show the whole traceback of an error' in text


def test_help_gives_examples_a_heading():
    parser = CommandParser('Do something.\n\n    python tool.py a\n    python tool.py b \\\n        c\n')
    assert parser.format_help().endswith('\n\nexamples:\n    python tool.py a\n    python tool.py b \\\n        c\n')
    assert 'example' not in CommandParser('Do something.\n\nIt takes a while.\n').format_help()


def test_traceback_option_works_before_and_after_a_sub_command():
    parser = CommandParser('Do something.')
    parser.add_subparsers(dest='name').add_parser('sub', doc='Do a part of it.')
    assert parser.parse_args(['--traceback', 'sub']).traceback
    assert parser.parse_args(['sub', '--traceback']).traceback
    assert 'traceback' not in parser.parse_args(['sub'])


@pytest.mark.parametrize('name', ['derain', 'detect', 'segment', 'rain', 'joint-test', 'models', 'web'])
def test_every_command_lists_traceback_in_its_help(name, capsys):
    with pytest.raises(SystemExit):
        cli.main([name, '--help'])
    out = capsys.readouterr().out
    assert f'usage: mmderain {name} [-h] [--traceback]' in out and 'show the whole traceback' in out


@pytest.mark.parametrize(
    'path', [path for path in SCRIPTS if path.name not in MODULES_OF_SCRIPTS], ids=lambda p: p.name
)
def test_every_script_lists_traceback_in_its_help(path, capsys):
    name = path.relative_to(ROOT / 'tools').with_suffix('') if 'tools' in path.parts else f'../demo/{path.stem}'
    with pytest.raises(SystemExit) as end:
        load_tool(str(name)).main(['--help'])
    assert end.value.code == 0 and 'show the whole traceback' in capsys.readouterr().out


def test_the_same_options_have_the_same_help():
    commands = {}
    for name in ('derain', 'detect', 'segment', 'web'):
        parser = cli.parse_args([name, *(['a.jpg', '--out', 'b'] if name != 'web' else [])]).parser
        commands[name] = {option: action for action in parser._actions for option in action.option_strings}
    for option in ('--model', '--weights', '--device', '--precision', '--existing', '--rain', '--seed'):
        helps = {options[option].help.split(' (default')[0] for options in commands.values() if option in options}
        assert len(helps) == 1, option


def test_joint_test_accepts_derainers_by_name_or_with_their_weights(capsys):
    words = ['joint-test', 'c.py', 'c.pth', '--derainer', 'sian', '--derainer', 'Old', 'sian']
    args = cli.parse_args([*words, '--derainer', 'Mine', 'm.py', 'm.pth'])
    assert args.derainer == [('sian', 'sian', None), ('Old', 'sian', None), ('Mine', 'm.py', 'm.pth')]
    with pytest.raises(SystemExit):
        cli.parse_args([*words, '--derainer', 'a', 'b', 'c', 'd'])
    assert '--derainer a b c d: expected NAME [DERAINER [CHECKPOINT]]' in capsys.readouterr().err


@pytest.mark.parametrize('read, least', [(non_negative_int, 0), (positive_int, 1)])
def test_only_whole_numbers_in_the_range_are_accepted(read, least):
    assert read(str(least)) == least and read('12') == 12
    for text in (str(least - 1), 'x', '1.5', ''):
        with pytest.raises(
            argparse.ArgumentTypeError, match=f'expected an integer of at least {least}, found {text!r}'
        ):
            read(text)


def test_parsing_a_command_does_not_import_optional_libraries():
    code = (
        'import sys\n'
        'from mmderain.cli import parse_args\n'
        'parse_args(["models"])\n'
        'print(sorted({"mmdet", "mmseg", "gradio"} & set(sys.modules)))\n'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == '[]\n', done.stdout + done.stderr


@pytest.mark.parametrize(
    'words, options',
    [
        (['a=1', 'b.c=[1,2]'], {'a': 1, 'b.c': [1, 2]}),
        (['a=(x,1.5)', 'b=None', 'c=a=b'], {'a': ('x', 1.5), 'b': None, 'c': 'a=b'}),
        (['a='], {'a': ''}),
    ],
)
def test_cfg_options_are_parsed_to_a_dictionary(words, options):
    parser = CommandParser('Do something.')
    add_cfg_options(parser, 'a=1')
    assert parser.parse_args(['--cfg-options', *words]).cfg_options == options


@pytest.mark.parametrize(
    'word, text',
    [
        ('foo', "argument --cfg-options: found 'foo', expected KEY=VALUE"),
        ('=1', "argument --cfg-options: found '=1', expected KEY=VALUE"),
        ('a=[1,2', "argument --cfg-options: found 'a=[1,2'; its brackets are not balanced"),
    ],
)
def test_error_for_a_wrong_cfg_option_quotes_it(word, text, capsys):
    parser = CommandParser('Do something.')
    add_cfg_options(parser, 'a=1')
    with pytest.raises(SystemExit) as end:
        parser.parse_args(['--cfg-options', 'b=1', word])
    assert end.value.code == 2 and text in capsys.readouterr().err


def test_traceback_shows_the_errors_of_images(tmp_path, capsys):
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos/a.png').write_text('no image')
    arguments = ['rain', str(tmp_path / 'photos'), str(tmp_path / 'rainy')]
    assert cli.main(arguments) == 1
    err = capsys.readouterr().err
    assert 'a.png: cannot be read as an image' in err and 'Traceback' not in err
    assert cli.main([*arguments, '--traceback']) == 1
    err = capsys.readouterr().err
    assert 'a.png: cannot be read as an image' in err and 'Traceback' in err


def test_mmderain_accepts_traceback_before_and_after_the_command():
    assert cli.parse_args(['--traceback', 'models']).traceback and cli.parse_args(['models', '--traceback']).traceback


def test_a_closed_pipe_other_than_the_output_is_an_error(capsys):
    main = make_main(fail(BrokenPipeError('the loader process has ended')))
    assert main([]) == 1
    assert capsys.readouterr().err == 'error: the loader process has ended\n'
