"""Results of the inferencer: predictions, and the errors of inputs that failed."""

import contextlib
import inspect
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmderain.errors import InputError, NonFiniteError, error_text
from mmderain.io.remote import RemotePath

#: A derained input: the path of the result file (a ``RemotePath`` if it is on a server), an array, or a tensor.
Prediction = np.ndarray | Tensor | Path | RemotePath


class BrokenDeviceError(InputError):
    """The GPU cannot be used any more by this process.

    Args:
        error: the error of the GPU.

    Attributes:
        reason: the message without the advice.
    """

    def __init__(self, error: Exception) -> None:
        first_line = str(error).strip().partition('\n')[0]
        self.reason = f'the GPU cannot be used any more ({first_line})'
        super().__init__(f'{self.reason}; run the same command again with --existing skip')


@dataclass
class InputResult:
    """Result of one image, video, array or tensor.

    Attributes:
        name: name of the input.
        prediction: a tensor if the input is a tensor. Otherwise the path of the result file, or an array if no file is
            written. The array has the dtype and the number of channels of the input, in the order BGR or BGRA. None if
            the input failed or is partial.
        error: the exception that was raised for this input. None if there was no error.
        reason: the error message. Empty if there was no error.
        skipped: whether the input was skipped because its result file already exists and ``existing`` is ``'skip'``.
            ``prediction`` is then the path of this file.
        partial: True for a video that several processes share, if segments of other processes are not finished. The
            process that finishes the last segment writes the result file. ``prediction`` is then None.
        size: height and width of the image in pixels. None for a video, and if the input was not read.
        seconds: time in seconds for reading, deraining (share of the batch) and writing, without waiting times.
        notes: sentences that tell the user what differs between an image or a video and its result.
    """

    name: str
    prediction: Prediction | None = None
    error: Exception | None = None
    reason: str = ''
    skipped: bool = False
    partial: bool = False
    size: tuple[int, int] | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @classmethod
    def of_error(cls, name: str, error: Exception) -> 'InputResult':
        """Return the result of an input that failed."""
        result = cls(name)
        result.fail(error)
        return result

    @property
    def status(self) -> str:
        """Return ``'failed'`` if there was an error, ``'partial'`` for a partial video, else ``'ok'``."""
        return 'failed' if self.error is not None else 'partial' if self.partial else 'ok'

    def skip(self, target: Path | RemotePath | None) -> None:
        """Store that the input was skipped, and the path of its existing result file."""
        self.prediction, self.skipped = target, True

    def fail(self, error: Exception) -> None:
        """Store the exception that was raised for this input, and the error message."""
        self.error = error
        # The stack frames in the traceback would keep the tensors of the network in memory. Therefore these frames are
        # cleared. This would end a generator, for example the one that lists the inputs. Therefore the frames of
        # generators are not cleared.
        for each in chain(error):
            for frame, _ in traceback.walk_tb(each.__traceback__):
                if not frame.f_code.co_flags & inspect.CO_GENERATOR:
                    with contextlib.suppress(RuntimeError):  # the frame is running
                        frame.clear()
        self.reason = failure_reason(self.name, error)


@dataclass
class Inference:
    """Result of one call of :class:`DerainInferencer`.

    Attributes:
        results: one entry for each image, video, array and tensor, in the order of the inputs.
    """

    results: list[InputResult]

    @property
    def predictions(self) -> list[Prediction | None]:
        """Return the prediction of each result; None if its input failed, and for a partial video."""
        return [result.prediction for result in self.results]

    @property
    def failures(self) -> dict[str, str]:
        """Return the error message of each failed input, keyed by the name of the input."""
        return {result.name: result.reason for result in self.results if result.error is not None}


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception and the exceptions that led to it."""
    found = [error]
    for each in found:  # the list grows while it is read
        found += [other for other in (each.__cause__, each.__context__) if other is not None and other not in found]
    return found


def failure_reason(name: str, error: Exception) -> str:
    """Return the error message for an input that failed.

    Args:
        name: name of the input.
        error: the exception that was raised for this input.
    """
    if is_out_of_memory(error):
        return f'{name}: the memory of the device is too small; set a smaller batch_size, or tile=512'
    if isinstance(error, NonFiniteError):
        return f'{name}: {error.reason}'
    if isinstance(error, OSError | InputError):
        return error_text(error)
    return f'{name}: {type(error).__name__}: {error}'


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an exception means that the memory of a GPU or of the CPU is too small.

    If the memory of the CPU is too small, torch raises a plain RuntimeError. Only its message shows the reason.
    """
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or 'DefaultCPUAllocator' in str(error)


def is_device_broken(error: Exception) -> bool:
    """Return whether a GPU cannot be used any more by this process.

    After an error such as an illegal memory access, each further use of the GPU raises the same error.
    """
    kind = getattr(torch, 'AcceleratorError', None)  # torch 2.7 does not have it
    return kind is not None and isinstance(error, kind) and 'out of memory' not in str(error)
