"""The inferencer, which derains images and videos."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import torch
from rich.progress import track
from torch import Tensor

from mmderain import DEFAULT_DERAINER
from mmderain.errors import InputError, require_whole_number
from mmderain.io.image import DecodedImage, write_image
from mmderain.io.image_header import MAX_PIXELS

from .model import default_device, require_compiler, trained_derainer
from .pipeline import Input, Source, plan_inputs
from .results import Inference, InputResult, Prediction, is_out_of_memory
from .video import derain_video


class DerainInferencer:
    """Derain images and videos.

    Args:
        model: name of a model with bundled weights, such as ``'nafnet'``; name of a bundled config, such as
            ``'sian_rain100h'``; path of a config file; or a config as a dict with the key ``model``. The command
            ``mmderain models`` lists the names.
        weights: path or URL of a checkpoint. None uses the weights of the named model.
        device: device of the model, such as ``'cpu'`` or ``'cuda:0'``. None uses the first GPU if there is one.
        precision: ``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'auto'``, see :class:`~mmderain.models.Derainer`. None uses
            the value of the config, or float32 if the config has no value.
        tile: side of the tiles in pixels. 0 never uses tiles. None uses the value of the config. If the config has no
            value, tiles are used only for images that are too large for the free memory.
        compile: True runs the network through ``torch.compile``. Compilation takes a minute or more for each new input
            size. A last batch with fewer images also counts as a new size. After the compilation, the network is
            faster. None uses the value of the config, or False if the config has no value.
        max_pixels: largest number of pixels of an image file or a video frame. A larger image or video is refused
            before its pixels are decoded. Default: 500 million.

    Raises:
        FileNotFoundError: the config file or the checkpoint does not exist.
        InputError: no model has this name, there are neither ``weights`` nor bundled weights, the checkpoint does not
            fit the config, the machine has no such device, or torch cannot compile on this machine.

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
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        require_whole_number('max_pixels', max_pixels, 1)
        self.max_pixels = max_pixels
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

        If an input cannot be derained, the other inputs are still derained. The attribute ``failures`` of the result
        contains the error message. If ``inputs`` is not a list and contains only one image, video, array or tensor, the
        error is raised instead.

        Args:
            inputs: one input, or a list of inputs. An input is one of these:

                * the path of an image file or a video file;
                * the path of a folder, whose images and videos are derained, including those in its sub-folders;
                * an array, uint8 or uint16, with the shape (H, W), (H, W, 3) BGR or (H, W, 4) BGRA;
                * a tensor, RGB in [0, 1], with the shape (3, H, W) or (N, 3, H, W).
            batch_size: number of images of the same size that are derained together. Default: 1.
            out_dir: folder for the result files. A result file has the name of its input file. The suffix changes to
                .mp4 for a video, and to .png if the image format cannot be written. The results of a folder are written
                to the same sub-folders as in the input folder. The result of an array at position 3 of the list is
                ``input_3.png``; positions start at 0. Results of tensors are always returned as tensors, and never
                written. None returns the results as arrays. Videos require a folder.
            existing: what to do if a result file already exists. ``'refuse'`` raises an error. ``'skip'`` keeps the
                file and does not derain the input. ``'replace'`` replaces the file. Default: ``'refuse'``.
            progress: True shows a progress bar. Default: False.

        Returns:
            The result, with one prediction for each image, video, array and tensor.

        Raises:
            FileNotFoundError: there is only one input, and it does not exist.
            InputError: an argument is not as expected; a result would overwrite an input; or a result file already
                exists and ``existing`` is ``'refuse'``. In these cases, no input is derained. If ``inputs`` is a single
                input and not a list, the error is also raised if the input cannot be read, the result cannot be
                written, or the memory is too small. Any other exception of the network is raised unchanged.
        """
        if existing not in ('refuse', 'skip', 'replace'):
            raise InputError(f"existing must be 'refuse', 'skip' or 'replace', found {existing!r}")
        require_whole_number('batch_size', batch_size, 1)
        is_single = isinstance(inputs, str) or not isinstance(inputs, Sequence)
        items = [inputs] if is_single else inputs
        sources = plan_inputs(cast('Sequence[Input]', items), out_dir, existing)
        results = [InputResult(source.name) for source in sources]
        numbers = track(range(len(sources)), 'deraining', disable=not progress)
        for batch in self._batches(sources, numbers, batch_size, existing, results):
            self._derain(batch, sources, results)
        if is_single and len(results) == 1 and results[0].error is not None:
            error = results[0].error
            if isinstance(error, OSError | InputError) or is_out_of_memory(error):
                raise InputError(results[0].reason) from error
            raise error
        return Inference(results)

    def _batches(
        self,
        sources: list[Source],
        numbers: Iterable[int],
        batch_size: int,
        existing: str,
        results: list[InputResult],
    ) -> Iterator[dict[int, DecodedImage | Tensor]]:
        """Load the inputs, and yield them in batches of successive images of the same size.

        This method also derains the videos, because the frames of a video form separate batches. It stores skipped
        files and errors in ``results``.

        Yields:
            A dict that maps the number of each input in the batch to the loaded image or tensor.
        """
        batch: dict[int, DecodedImage | Tensor] = {}
        for number in numbers:
            source, target = sources[number], sources[number].target
            try:
                if source.problem is not None:
                    raise source.problem
                if existing == 'skip' and target is not None and target.exists():
                    results[number].prediction, results[number].skipped = target, True
                    continue
                if isinstance(source.content, Path) and source.is_video and target is not None:
                    report = derain_video(self.model, source.content, target, batch_size, max_pixels=self.max_pixels)
                    results[number].prediction = report.path
                    continue
                loaded = source.load(self.max_pixels)
            except Exception as error:  # decoders and networks can raise any exception
                results[number].fail(error)
                continue
            if batch and (len(batch) == batch_size or _size(next(iter(batch.values()))) != _size(loaded)):
                yield batch
                batch = {}
            batch[number] = loaded
        if batch:
            yield batch

    def _derain(
        self, batch: dict[int, DecodedImage | Tensor], sources: list[Source], results: list[InputResult]
    ) -> None:
        """Derain a batch, and store the predictions and errors in ``results``.

        If the batch fails, each image of the batch is derained alone. An error is stored only for an image that fails
        again.
        """
        derained = None
        try:
            images = [image if isinstance(image, Tensor) else image.to_tensor()[None] for image in batch.values()]
            with torch.inference_mode():
                derained = self.model.restore(torch.cat(images)).split([len(image) for image in images])
        except Exception as error:  # a network can raise any exception
            if len(batch) == 1:
                (number,) = batch
                results[number].fail(error)
                return
        if derained is None:  # not in the except block: there, the tensors of the failed batch still need memory
            for number, image in batch.items():
                self._derain({number: image}, sources, results)
            return
        for (number, image), restored in zip(batch.items(), derained, strict=True):
            try:
                results[number].prediction = _finish(sources[number], image, restored)
            except Exception as error:  # an encoder can raise any exception
                results[number].fail(error)


def _finish(source: Source, image: DecodedImage | Tensor, restored: Tensor) -> Prediction:
    """Convert a derained tensor to the type of the input, and write it to the target file if there is one.

    Args:
        source: the input, with the path of the target file.
        image: the loaded input.
        restored: the derained tensor, (N, 3, H, W).

    Returns:
        The prediction, see :class:`InputResult`.
    """
    if isinstance(image, Tensor):
        has_batch_axis = isinstance(source.content, Tensor) and source.content.dim() == 4
        return restored if has_batch_axis else restored[0]
    array = image.with_color(restored[0])
    if source.target is None:
        return array
    write_image(array, source.target)
    return source.target


def _size(loaded: DecodedImage | Tensor) -> tuple[int, ...]:
    """Return the height and width of an image or a tensor."""
    return tuple(loaded.shape[-2:]) if isinstance(loaded, Tensor) else loaded.bgr.shape[:2]
