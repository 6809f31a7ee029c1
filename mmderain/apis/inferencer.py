"""Derain images and videos with a model that is chosen by name."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

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
        predictions: one entry for each input, in order: an array in the form of the input (BGR, as in OpenCV), a tensor
            for a tensor, the path if a file was written, or None if the input failed.
        failures: name of each input that failed, and the reason.
        errors: name of each input that failed, and the exception, which has the traceback.
    """

    predictions: list[np.ndarray | Tensor | Path | None] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    def add_failure(self, name: str, error: Exception, reason: str | None = None) -> None:
        """Note that an input failed; the reason is the exception's message unless given."""
        self.failures[name], self.errors[name] = reason or str(error), error


class DerainInferencer:
    """Derain images and videos.

    Args:
        model: a model whose weights are bundled (``'nafnet'``; ``mmderain models`` lists them), a bundled config
            (``'sian_rain100h'``), or a config file.
        weights: a checkpoint; None takes the bundled one.
        device: ``'cpu'``, ``'cuda:0'`` and so on; None takes a GPU if there is one.
        precision: ``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'auto'``, see :class:`~mmderain.models.Derainer`; None takes
            the config's, by default float32.
        tile: side of the tiles in pixels; 0 never uses tiles; None uses them where memory requires it.
        compile: run the network through ``torch.compile``. Compiling takes a minute or more for each new size (a
            smaller last batch is a new size); after that an image takes less time. None takes the config's, by default
            False.

    Raises:
        FileNotFoundError, InputError: the model or its weights do not exist or do not fit each other, or torch cannot
            compile here.

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
        """Derain inputs.

        Args:
            inputs: an image file, a video file, a folder (searched with its sub-folders), an array (uint8 or uint16;
                (H, W), (H, W, 3) BGR or (H, W, 4) BGRA), a tensor (RGB in [0, 1], (3, H, W) or (N, 3, H, W)), or a list
                of these.
            batch_size: number of images of one size that are derained together.
            out_dir: folder for the results. Files keep their names, files of a folder also their sub-folders; arrays
                are named by their number. None returns arrays. Tensors are returned in any case.
            existing: what to do with a result file that already exists: ``'refuse'``, ``'skip'`` or ``'replace'``.
            progress: show a progress bar.

        Raises:
            FileNotFoundError, InputError: before anything is derained, if inputs and ``out_dir`` do not fit each other;
                and if the only input cannot be derained. Of several inputs, those that cannot be derained are listed
                in the result's ``failures``.
        """
        if existing not in ('refuse', 'skip', 'replace'):
            raise InputError(f"existing must be 'refuse', 'skip' or 'replace', found {existing!r}")
        if batch_size < 1:
            raise InputError(f'batch_size must be at least 1, found {batch_size}')
        many = inputs if isinstance(inputs, Sequence) and not isinstance(inputs, str) else None
        sources = list(expand_inputs([cast('Input', inputs)] if many is None else many, out_dir))
        targets = result_paths(sources, out_dir, existing)
        result = Inference(predictions=[None] * len(sources))
        numbers = track(range(len(sources)), 'deraining', disable=not progress)
        for batch in self._batches(sources, targets, numbers, batch_size, existing, result):
            self._derain(batch, sources, targets, result)
        if many is None and len(sources) == 1 and result.failures:
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
        """Yield successive images of one size, keyed by their number; videos and skipped files are handled here."""
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
        for (number, image), own in zip(batch.items(), derained, strict=True):
            content = sources[number].content
            if isinstance(image, Tensor) and isinstance(content, Tensor):
                result.predictions[number] = own if content.dim() == 4 else own[0]
                continue
            array, target = cast('DecodedImage', image).with_color(own[0]), targets[number]
            if target is None:
                result.predictions[number] = array
                continue
            try:
                write_image(array, target)
                result.predictions[number] = target
            except InputError as error:
                result.add_failure(str(target), error)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an exception says that the memory of a GPU or of the CPU does not suffice.

    On a CPU, torch raises a plain RuntimeError, which only its message distinguishes.
    """
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or 'DefaultCPUAllocator' in str(error)


def _out_of_memory_message(name: str) -> str:
    return f'{name}: the memory of the device does not suffice; set a smaller batch_size, or tile=512'


def _size(loaded: DecodedImage | Tensor) -> tuple[int, ...]:
    """Return the height and width, which are equal within a batch."""
    return tuple(loaded.shape[-2:]) if isinstance(loaded, Tensor) else loaded.bgr.shape[:2]
