"""The exceptions of mmderain, and helpers for their messages."""

import difflib
from collections.abc import Iterable
from numbers import Integral
from typing import Any


class InputError(ValueError):
    """A file, a config or other input of the user is not as expected.

    The message names the input, what was found, what was expected, and what to do. Therefore the command line tools
    print only the message, without a traceback.
    """

    def __str__(self) -> str:
        # If a worker process raises this error, the DataLoader raises it again with the whole traceback as the message.
        # The original message is at the end of this text.
        return super().__str__().rsplit(f'{__name__}.InputError: ', 1)[-1].rstrip('\n')


class UnreadableImageError(InputError):
    """An image file cannot be read."""


class Stopped(Exception):
    """A signal stopped the program. The message says whether a checkpoint exists, and how to continue from it.

    Args:
        number: number of the signal.
        text: the message.

    Attributes:
        exit_status: 128 + the number of the signal, as in shells.
    """

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.exit_status = 128 + number


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return text for the end of an error message that suggests a similar known word; '' if no word is similar."""
    names = list(known)
    # If only the prefix of a package is missing, the name with the prefix is the best match: 'mmderain.Derain' for
    # 'Derain'.
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
