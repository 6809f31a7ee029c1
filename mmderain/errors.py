"""The exception for bad input, and helpers for its messages."""

import difflib
from collections.abc import Iterable
from numbers import Integral
from typing import Any


class InputError(ValueError):
    """A file, config or data of the user is not as expected.

    The message says which one, what was found, what was expected and what to do. The command line tools therefore
    print it without a traceback.
    """

    def __str__(self) -> str:
        # A DataLoader raises its worker's error again, with the whole traceback as its message; ours is at the end.
        return super().__str__().rsplit(f'{__name__}.InputError: ', 1)[-1].rstrip('\n')


class UnreadableImageError(InputError):
    """The file of an image cannot be read."""


class Stopped(Exception):
    """A signal ended a program after it stored its progress. The message says what is stored and how to continue.

    Args:
        number: number of the signal.
        text: the message.

    Attributes:
        exit_status: 128 + the number of the signal, as in a shell.
    """

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.exit_status = 128 + number


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of an error message that names a similar known word, '' if there is none."""
    names = list(known)
    # A name with the prefix of a package, as in 'mmderain.Derain', is the best match for the name alone.
    close = [name for name in names if name.endswith(f'.{word}')]
    close = close or difflib.get_close_matches(word, names, n=1, cutoff=0.7)
    return f'; did you mean {close[0]!r}?' if close else ''


def require_whole_number(name: str, value: Any, minimum: int) -> None:
    """Raise an InputError if an argument is not a whole number of at least ``minimum``.

    Args:
        name: name of the argument.
        value: value of the argument.
        minimum: smallest number that is accepted.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise InputError(f'{name} must be a whole number from {minimum}, found {value!r}')
