"""The inferencer, which derains images and videos with a model that is chosen by name."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from mmderain import DEFAULT_DERAINER
from mmderain.errors import InputError
from mmderain.io.image import DecodedImage, write_image

from .model import default_device, require_compiler, trained_derainer
from .pipeline import Input, Source, derain_video, expand_inputs, result_paths


@dataclass
class Inference:
    """Result of one call of :class:`DerainInferencer`.

    Attributes:
        predictions: one entry for each input, in the same order. It is the path if a file was written, a tensor if the
            input is a tensor, otherwise an array with the channels and the dtype of the input (BGR, as in OpenCV). It
            is None if the input failed.
        failures: maps the name of each input that failed to the error message.
        errors: maps the name of each input that failed to the exception, which has the traceback.
    """

    predictions: list[np.ndarray | Tensor | Path | None] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    def add_failure(self, name: str, error: Exception, reason: str | None = None) -> None:
        """Store the error of an input that failed.

        Args:
            name: name of the input.
            error: the exception.
            reason: the error message. None uses the message of the exception.
        """
        self.failures[name], self.errors[name] = reason or str(error), error


class DerainInferencer:
    """Derain images and videos.

    Args:
        model: name of a model whose weights are bundled, such as ``'nafnet'`` (``mmderain models`` lists them), name of
            a bundled config, such as ``'sian_rain100h'``, path of a config file, or a dict with ``model``.
        weights: path of a checkpoint. None uses the bundled checkpoint of the model.
        device: device of the model, such as ``'cpu'`` or ``'cuda:0'``. None uses the first GPU if there is one.
        precision: ``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'auto'``, see :class:`~mmderain.models.Derainer`. None uses
            the value of the config, by default float32.
        tile: side of the tiles in pixels. 0 never uses tiles. None uses tiles if the memory requires it.
        compile: True runs the network through ``torch.compile``. Compilation takes a minute or more for each new input
            size, and a smaller last batch is a new size; afterwards an image takes less time. None uses the value of
            the config, by default False.

    Raises:
        FileNotFoundError: the config file or the checkpoint does not exist.
        InputError: no model has this name, it has no bundled weights, the checkpoint does not fit the config, or torch
            cannot compile on this machine.

    Example::

        inferencer = DerainInferencer('sian')
        array = inferencer('rainy.jpg').predictions[0]
        inferencer('rainy_images/', out_dir='derained')
    """

    def __init__(
        self,
        model: str | Path | dict = DEFAULT_DERAINER,
        weights: str | Path | None = None,
        device: str | None = None,
        precision: str | None = None,
        tile: int | None = None,
        compile: bool | None = None,
    ) -> None:
        device = device or default_device()
        options = {'model.precision': precision, 'model.tile': tile, 'model.compile': compile}
        self.model = trained_derainer(model, weights, device, options)
        if compile:
            require_compiler(device)

    def __call__(
        self,
        inputs: Input | Sequence[Input],
        batch_size: int = 1,
        out_dir: str | Path | None = None,
        existing: str = 'refuse',
        progress: bool = False,
    ) -> Inference:
        """Derain images and videos.

        If an input cannot be derained, the other inputs are still derained, and ``failures`` of the result contains the
        error. If ``inputs`` is a single image or video, its error is raised instead.

        Args:
            inputs: an image file, a video file, a folder (including its sub-folders), an array (uint8 or uint16, with
                the shape (H, W), (H, W, 3) BGR or (H, W, 4) BGRA), a tensor (RGB in [0, 1], with the shape (3, H, W) or
                (N, 3, H, W)), or a list of these.
            batch_size: number of images of the same size that are derained together. Default: 1.
            out_dir: folder for the result files. Results of files have the names of the files, and results of a folder
                also its sub-folders. Results of arrays are named by their position in the list. None returns arrays.
                Results of tensors are always returned.
            existing: what to do if a result file already exists: ``'refuse'`` (the default) raises an error,
                ``'skip'`` keeps the file and does not derain the input, ``'replace'`` replaces the file.
            progress: True shows a progress bar. Default: False.

        Returns:
            The result, with one prediction for each image, video, array and tensor.

        Raises:
            FileNotFoundError: the only input does not exist. Nothing has been derained then.
            InputError: an argument is not as expected, or a result would overwrite an input or (with
                ``existing='refuse'``) an existing file. Nothing has been derained then. The error is also raised if
                ``inputs`` is a single image or video that cannot be derained.
        """
        if existing not in ('refuse', 'skip', 'replace'):
            raise InputError(f"existing must be 'refuse', 'skip' or 'replace', found {existing!r}")
        if batch_size < 1:
            raise InputError(f'batch_size must be at least 1, found {batch_size}')
        items: Sequence[Input]
        if isinstance(inputs, Sequence) and not isinstance(inputs, str):
            items, is_single = inputs, False
        else:
            items, is_single = [inputs], True
        sources = list(expand_inputs(items, out_dir))
        targets = result_paths(sources, out_dir, existing)
        result = Inference(predictions=[None] * len(sources))
        numbers = track(range(len(sources)), 'deraining', disable=not progress)
        for batch in self._batches(sources, targets, numbers, batch_size, existing, result):
            self._derain(batch, sources, targets, result)
        if is_single and len(sources) == 1 and result.failures:
            ((name, reason),) = result.failures.items()
            raise InputError(reason) from result.errors[name]
        return result

    def _batches(
        self,
        sources: list[Source],
        targets: list[Path | None],
        numbers: Iterable[int],
        batch_size: int,
        existing: str,
        result: Inference,
    ) -> Iterator[dict[int, DecodedImage | Tensor]]:
        """Load the inputs, and yield them in batches of successive images of the same size.

        Videos are derained here, because their frames form their own batches. Skipped files and errors are put into the
        result here.

        Yields:
            A dict that maps the number of each input in the batch to the loaded image or tensor.
        """
        batch: dict[int, DecodedImage | Tensor] = {}
        for number in numbers:
            source, target = sources[number], targets[number]
            try:
                if existing == 'skip' and target is not None and target.exists():
                    result.predictions[number] = target
                    continue
                if isinstance(source.content, Path) and source.is_video and target is not None:
                    result.predictions[number] = derain_video(self.model, source.content, target, batch_size).path
                    continue
                loaded = source.load()
            except (OSError, InputError) as error:
                result.add_failure(source.name, error)
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                result.add_failure(source.name, error, _out_of_memory_message(source.name))
                continue
            if batch and (len(batch) == batch_size or _size(next(iter(batch.values()))) != _size(loaded)):
                yield batch
                batch = {}
            batch[number] = loaded
        if batch:
            yield batch

    def _derain(
        self,
        batch: dict[int, DecodedImage | Tensor],
        sources: list[Source],
        targets: list[Path | None],
        result: Inference,
    ) -> None:
        """Derain a batch and put its predictions and failures into the result."""
        images = [image if isinstance(image, Tensor) else image.to_tensor()[None] for image in batch.values()]
        try:
            with torch.inference_mode():
                derained = self.model.restore(torch.cat(images)).split([len(image) for image in images])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            for name in (sources[number].name for number in batch):
                result.add_failure(name, error, _out_of_memory_message(name))
            return
        for (number, image), restored in zip(batch.items(), derained, strict=True):
            if isinstance(image, Tensor):
                content = sources[number].content
                has_batch_axis = isinstance(content, Tensor) and content.dim() == 4
                result.predictions[number] = restored if has_batch_axis else restored[0]
                continue
            array, target = image.with_color(restored[0]), targets[number]
            if target is None:
                result.predictions[number] = array
                continue
            try:
                write_image(array, target)
                result.predictions[number] = target
            except InputError as error:
                result.add_failure(str(target), error)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an exception means that the memory of a GPU or of the CPU is too small.

    For the memory of the CPU, torch raises a RuntimeError, which can only be recognized by its message.
    """
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or 'DefaultCPUAllocator' in str(error)


def _out_of_memory_message(name: str) -> str:
    return f'{name}: the memory of the device is too small; set a smaller batch_size, or tile=512'


def _size(loaded: DecodedImage | Tensor) -> tuple[int, ...]:
    """Return the height and width of an image or a tensor."""
    return tuple(loaded.shape[-2:]) if isinstance(loaded, Tensor) else loaded.bgr.shape[:2]
