"""Shared parts of all commands: a parser made from a docstring, errors in one line, Ctrl+C and closed pipes."""

import argparse
import functools
import os
import select
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from mmderain.errors import InputError

#: Exit statuses, as a shell gives them for a program that was ended by a signal: 128 + its number.
INTERRUPTED, OUTPUT_CLOSED = 130, 141


class CommandParser(argparse.ArgumentParser):
    """A parser whose help text is a docstring, and which accepts ``--traceback``.

    Args:
        doc: docstring; its first paragraph is the description, the rest stands after the list of options.
        options: of :class:`argparse.ArgumentParser`.
    """

    def __init__(self, doc: str, **options: Any) -> None:
        summary, _, rest = doc.strip().partition('\n\n')
        options.setdefault('formatter_class', argparse.RawDescriptionHelpFormatter)
        super().__init__(description=summary, epilog=rest, **options)
        # Without a default, so that a sub-command does not undo the option of the command before it.
        self.add_argument_group('if a command fails').add_argument(
            '--traceback',
            action='store_true',
            default=argparse.SUPPRESS,
            help='show the whole traceback of an error, not only its message',
        )


def command(parse_args: Callable[[Sequence[str] | None], argparse.Namespace]) -> Callable:
    """Make a function of parsed arguments the ``main`` of a program.

    The new function takes a list of arguments (None takes those of the process) and returns the exit status: what the
    decorated function returns, or 0 for None. Bad input (``InputError``, ``OSError``) prints one ``error:`` line and
    returns 1. Ctrl+C returns 130. If nobody reads the output any more, as in ``mmderain models | head -1``, it ends
    without a message. With ``--traceback`` all exceptions are raised. ::

        @command(parse_args)
        def main(args):
            print(args.config)

    Args:
        parse_args: reads a list of arguments; a :class:`CommandParser` should do it.
    """

    def decorate(run: Callable[[argparse.Namespace], int | None]) -> Callable[[Sequence[str] | None], int]:
        @functools.wraps(run)
        def main(argv: Sequence[str] | None = None) -> int:
            show_traceback = False
            try:
                args = parse_args(argv)
                show_traceback = getattr(args, 'traceback', False)
                return run(args) or 0
            except (KeyboardInterrupt, OSError, InputError) as error:
                if show_traceback:
                    raise
                if isinstance(error, KeyboardInterrupt):
                    return INTERRUPTED
                if isinstance(error, BrokenPipeError) and not output_is_open():
                    return OUTPUT_CLOSED
                print(f'error: {message(error)}', file=sys.stderr)
                return 1
            finally:
                flush_output()

        return main

    return decorate


def print_failure(args: argparse.Namespace, error: Exception, reason: str | None = None) -> None:
    """Print why one of several inputs failed; with ``--traceback`` the whole traceback first.

    Args:
        args: parsed arguments of the command.
        error: exception that the input raised.
        reason: the message; None takes that of the exception.
    """
    if getattr(args, 'traceback', False):
        traceback.print_exception(error)
    print(f'error: {reason or error}', file=sys.stderr)


def message(error: Exception) -> str:
    """Return the message of an error, without the traceback that a DataLoader puts before that of its worker."""
    text = str(error)
    if text.startswith('Caught '):
        text = text.rstrip('\n').rsplit(f'{type(error).__name__}: ', 1)[-1]
    return text


def output_is_open() -> bool:
    """Return whether somebody still reads the output of this process."""
    try:
        output = select.poll()
        output.register(sys.stdout.fileno(), select.POLLOUT)
    except (AttributeError, OSError):  # a system without poll; an output that is no file, as in tests
        return True
    return not any(event & select.POLLERR for _, event in output.poll(0))


def flush_output() -> None:
    """Write what was printed. If nobody reads it, discard it, or Python complains about it when the process ends."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
