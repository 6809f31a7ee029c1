"""Code that all commands share: an argument parser, and the handling of errors, Ctrl+C and closed pipes."""

import argparse
import contextlib
import functools
import os
import re
import select
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import cv2

from mmderain.errors import InputError, Stopped, error_text
from mmderain.io import expand_pattern, use_safe_loading
from mmderain.io.cache import trusting_unhashed

#: Exit statuses after Ctrl+C and after a closed pipe: 128 + the number of the signal, as in a shell.
INTERRUPTED, OUTPUT_CLOSED = 130, 141


class CommandParser(argparse.ArgumentParser):
    """An argument parser with the option ``--traceback``, whose help text comes from a docstring.

    Args:
        doc: the docstring. The help text shows the first paragraph of the docstring before the list of options, and the
            rest after the list. If the rest starts with lines that are indented by four spaces, these lines are
            examples, and the help text gives them a heading.
        options: further arguments of :class:`argparse.ArgumentParser`.
    """

    def __init__(self, doc: str, **options: Any) -> None:
        summary, _, rest = doc.strip().partition('\n\n')
        if rest.startswith('    '):
            commands = re.findall(r'^    \S', rest.partition('\n\n')[0], re.MULTILINE)
            rest = f'{"example" if len(commands) == 1 else "examples"}:\n{rest}'
        options.setdefault('formatter_class', argparse.RawDescriptionHelpFormatter)
        super().__init__(description=summary, epilog=rest, **options)
        # The option has no default. In `mmderain --traceback derain`, the default of the sub-command would replace the
        # value that was given before the name of the sub-command.
        self.add_argument(
            '--traceback',
            action='store_true',
            default=argparse.SUPPRESS,
            help='show the whole traceback of an error, not only its message',
        )
        self._is_intermixed = False
        # These functions convert the values of arguments without a type, and of those with the type Path. An argument
        # that accepts an empty text has the type str.
        self.register('type', None, text_argument)
        self.register('type', Path, path_argument)

    def add_subparsers(self, **options: Any) -> argparse._SubParsersAction:
        """Add sub-commands. Only the parser of the sub-command checks its arguments."""
        action = super().add_subparsers(**options)
        action.type = str
        return action

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments as argparse does, and also find an optional positional argument after an option.

        Without this, argparse would refuse ``CONFIG --out DIR CHECKPOINT`` if CHECKPOINT may be omitted.
        """
        optional = any(action.nargs == '?' for action in self._get_positional_actions())
        if self._is_intermixed or not optional:
            return super().parse_known_args(args, namespace)
        self._is_intermixed = True  # the next call calls this method again
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_intermixed = False


def text_argument(text: str) -> str:
    """Return a command line argument, after checking that it is not empty. The home folder replaces a leading ``~/``.

    An empty path would mean the current folder. A typical cause is a shell variable that is not set, as in
    ``mmderain derain "$PHOTOS" --out derained``. Shells do not replace ``~`` in ``--out=~/derained``.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError('found an empty text; check that all shell variables in the command are set')
    return os.path.expanduser(text) if text.startswith('~/') else text


def path_argument(text: str) -> Path:
    """Return a command line argument as a path, after checking that it is not empty."""
    return Path(text_argument(text))


class ExpandPatterns(argparse.Action):
    """Replace patterns such as ``*.jpg`` by the names of the matching files, as most shells do."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Store the names in the namespace, with the type of the argument."""
        found = [type(value)(path) for value in values or () for path in expand_pattern(str(value))]
        setattr(namespace, self.dest, found)


def command(parse_args: Callable[[Sequence[str] | None], argparse.Namespace]) -> Callable:
    """Return a decorator that converts a function of parsed arguments to the ``main`` function of a program.

    Example::

        @command(parse_args)
        def main(args):
            print(args.config)

    The new function takes a list of arguments, or None for the arguments of the process. It returns the exit status:

    * the return value of the decorated function, or 0 if this value is None;
    * 1 after an ``InputError`` or ``OSError``, whose message is printed after ``error:``;
    * 130 after Ctrl+C, without a message;
    * 128 + the number of the signal after a ``Stopped``, with its message;
    * 141 if the reader of the output has ended, as in ``mmderain models | head -1``, without a message.

    With ``--traceback``, the new function raises these exceptions instead.

    Args:
        parse_args: function that parses a list of arguments, usually with a :class:`CommandParser`.
    """

    def decorate(run: Callable[[argparse.Namespace], int | None]) -> Callable[[Sequence[str] | None], int]:
        @functools.wraps(run)
        def main(argv: Sequence[str] | None = None) -> int:
            show_traceback = False
            original = make_output_robust()
            try:
                args = parse_args(argv)
                show_traceback = getattr(args, 'traceback', False)
                use_safe_loading()
                with trusting_unhashed(getattr(args, 'trust_unhashed', False)), quiet_decoders():
                    return run(args) or 0
            except (KeyboardInterrupt, OSError, InputError, Stopped) as error:
                if show_traceback:
                    raise
                if isinstance(error, KeyboardInterrupt):
                    return INTERRUPTED
                if isinstance(error, Stopped):
                    with contextlib.suppress(BrokenPipeError):
                        print(error, file=sys.stderr)
                    return error.exit_status
                if isinstance(error, BrokenPipeError) and not output_is_open():
                    return OUTPUT_CLOSED
                print(f'error: {message(error)}', file=sys.stderr)
                return 1
            finally:
                flush_output()
                restore_output(original)

        return main

    return decorate


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Hide the messages of OpenCV and Pillow about damaged images. The error of the image is enough."""
    level = cv2.getLogLevel()
    cv2.setLogLevel(0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', module='PIL')
            yield
    finally:
        cv2.setLogLevel(level)


def print_failure(args: argparse.Namespace, error: Exception | None, reason: str | None = None) -> None:
    """Print the error message of an input that failed. With ``--traceback``, print the traceback first.

    Args:
        args: parsed arguments of the command.
        error: exception that was raised when the command processed the input.
        reason: the error message. None uses the message of the exception.
    """
    if getattr(args, 'traceback', False):
        traceback.print_exception(error)
    print(f'error: {reason or (error_text(error) if error else error)}', file=sys.stderr)


def message(error: Exception) -> str:
    """Return the message of an error.

    A DataLoader raises the error of a worker process again, and puts the traceback of the worker before the message.
    This function removes the traceback.
    """
    text = error_text(error)
    if text.startswith('Caught '):
        text = text.rstrip('\n').rsplit(f'{type(error).__name__}: ', 1)[-1]
    return text


def make_output_robust() -> dict[TextIOWrapper, str]:
    """Print escape sequences in place of characters that the console cannot show.

    The name of a file can contain any bytes, and many consoles cannot show all characters.

    Returns:
        The output streams with their original handling of errors, for :func:`restore_output`.
    """
    original = {}
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in ('strict', 'surrogateescape'):
            original[stream] = stream.errors
            stream.reconfigure(errors='backslashreplace')
    return original


def restore_output(original: dict[TextIOWrapper, str]) -> None:
    """Undo :func:`make_output_robust`."""
    for stream, errors in original.items():
        stream.reconfigure(errors=errors)


def output_is_open() -> bool:
    """Return False if standard output is a pipe whose reader has ended, else True."""
    try:
        output = select.poll()
        output.register(sys.stdout.fileno(), select.POLLOUT)
    except (AttributeError, OSError):  # the system has no poll, or the output is not a file, as in tests
        return True
    return not any(event & select.POLLERR for _, event in output.poll(0))


def flush_output() -> None:
    """Flush standard output. If its reader has ended, discard the output."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # When the process ends, Python flushes the output again. Without this line, the second flush would print an
        # error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
