"""The exceptions of mmderain, and helpers for their messages."""

import difflib
import os
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any


class InputError(ValueError):
    """A file, a config or another input from the user is not as expected.

    The message says which input is wrong, what was found, what was expected, and what to do. Therefore the command line
    tools print only the message, without a traceback.
    """

    def __str__(self) -> str:
        # If a worker process raises this error, the DataLoader raises it again in the main process. The message of the
        # second error is the whole traceback. The original message is at the end of this traceback.
        name = f'{type(self).__module__}.{type(self).__qualname__}: '
        return super().__str__().rsplit(name, 1)[-1].rstrip('\n')


class UnreadableImageError(InputError):
    """An image file cannot be read."""


class NonFiniteError(InputError):
    """The result of a network contains NaN or infinite values.

    It is an InputError, because the reason is an input: the weights, the precision or the image. Therefore programs
    print the message, and the inferencer reports only this image as failed.

    Args:
        reason: the message without the names of the images.
        images: positions of these images in the batch. The first image has the position 0.
        names: names of these images. Empty if they are not known.

    Attributes:
        reason: the message without the names of the images.
        images: positions of these images in the batch.
    """

    def __init__(self, reason: str, images: Sequence[int] = (), names: Sequence[str] = ()) -> None:
        super().__init__(f'{", ".join(names)}: {reason}' if names else reason)
        self.reason = reason
        self.images = tuple(images)

    def with_names(self, names: Sequence[str]) -> 'NonFiniteError':
        """Return the same error with the names of the images in its message.

        Args:
            names: name of each image of the batch.
        """
        return NonFiniteError(self.reason, self.images, [names[number] for number in self.images])


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


def error_text(error: BaseException) -> str:
    """Return the message of an exception. An error of the file system becomes ``<path>: <reason>``."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        # If a file is renamed, the second name is that of the result.
        name = error.filename if error.filename2 is None else error.filename2
        return f'{os.fsdecode(name) if isinstance(name, bytes) else name}: {error.strerror}'
    return str(error)


def did_you_mean(word: str, known: Iterable[str], count: int = 1) -> str:
    """Return a text to append to an error message, which suggests the most similar known words.

    The text is empty if no known word is similar. Upper and lower case count as equal.

    Args:
        word: the unknown word.
        known: the known words.
        count: largest number of suggested words.
    """
    names = list(dict.fromkeys(known))
    # If the word lacks only the prefix of a package, the best match is the known word with the prefix. For 'Derain',
    # this is 'mmderain.Derain'.
    close = [name for name in names if name.endswith(f'.{word}')]
    if not close:
        by_lower = {name.lower(): name for name in names}
        close = [by_lower[key] for key in difflib.get_close_matches(word.lower(), by_lower, n=count, cutoff=0.7)]
    return f'; did you mean {" or ".join(map(repr, close[:count]))}?' if close else ''


def require_whole_number(name: str, value: Any, minimum: int) -> None:
    """Raise an InputError if an argument is not an integer of at least ``minimum``.

    Args:
        name: name of the argument.
        value: value of the argument.
        minimum: smallest number that is accepted.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise InputError(f'{name} must be an integer of at least {minimum}, found {value!r}')
