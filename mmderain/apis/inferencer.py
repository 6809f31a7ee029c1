from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from mmderain import DEFAULT_DERAINER
from mmderain.datasets.pairing import list_images
from mmderain.errors import InputError

from .model import default_device, require_compiler
from .pictures import WRITABLE, Picture, read_picture, write_picture
from .video import VIDEO_SUFFIXES, derain_video
from .zoo import trained_derainer

Source = str | Path | np.ndarray | Tensor


@dataclass
class Inference:
    """What came of a call.

    Attributes:
        predictions: for each input in order what was derained: an array of the input's form (BGR, as OpenCV has it), a
            tensor for a tensor, or, if files were written, the path; None where it failed.
        failures: input -> why nothing came of it.
    """

    predictions: list[np.ndarray | Tensor | Path | None] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


class DerainInferencer:
    """Derain pictures and videos.

    Args:
        model: a model whose weights are bundled (``'nafnet'``; ``mmderain models`` lists them), a bundled config
            (``'sian_rain100h'``), or a config file.
        weights: a checkpoint; None takes the one that comes along.
        device: ``'cpu'``, ``'cuda:0'`` ...; None takes a GPU if there is one.
        precision: ``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'auto'``, see :class:`~mmderain.models.Derainer`; None takes
            the config's, float32 as a rule.
        tile: side in pixels of the tiles that pictures are cut into; 0 never cuts, None does where memory asks for it.
        compile: the network by ``torch.compile``, which takes a minute or more for a new size, of which a smaller batch
            at the end is one; from then on a picture takes less. None takes the config's, as a rule not to.

    Raises:
        FileNotFoundError, InputError: model or weights cannot be had or do not fit each other, or torch cannot compile
            here.

    Example::

        inferencer = DerainInferencer('sian')
        array = inferencer('rainy.jpg').predictions[0]
        inferencer('rainy_pictures/', out_dir='derained')
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
        inputs: Source | Sequence[Source],
        batch_size: int = 1,
        out_dir: str | Path | None = None,
        existing: str = 'refuse',
        progress: bool = False,
    ) -> Inference:
        """Derain.

        Args:
            inputs: a picture file, a video file, a folder (searched with its sub-folders), an array (uint8 or uint16;
                (H, W), (H, W, 3) BGR or (H, W, 4) BGRA), a tensor (RGB in [0, 1], (3, H, W) or (N, 3, H, W)), or a list
                of these.
            batch_size: as many pictures of one size are worked on together.
            out_dir: write files there, under the names of the inputs (below a folder, with their sub-folders; arrays by
                their number); None returns arrays. Tensors are returned in any case.
            existing: what to do with a file that is already there: ``'refuse'``, ``'skip'`` or ``'replace'``.
            progress: show a bar.

        Raises:
            FileNotFoundError, InputError: before anything is done, if inputs and ``out_dir`` cannot go together; and if
                the only input cannot be derained. Of several, those that cannot be are in the result's ``failures``.
        """
        if existing not in ('refuse', 'skip', 'replace'):
            raise InputError(f"existing must be 'refuse', 'skip' or 'replace', found {existing!r}")
        if batch_size < 1:
            raise InputError(f'batch_size must be at least 1, found {batch_size}')
        single = not isinstance(inputs, Sequence) or isinstance(inputs, str)
        sources = list(expand([inputs] if single else inputs, out_dir))
        targets = targets_of(sources, out_dir, existing)
        result = Inference(predictions=[None] * len(sources))
        numbers = track(range(len(sources)), 'deraining', disable=not progress)
        for batch in self._batches(sources, targets, numbers, batch_size, existing, result):
            self._derain(batch, sources, targets, result)
        if single and len(sources) == 1 and result.failures:
            raise InputError(next(iter(result.failures.values())))
        return result

    def _batches(
        self,
        sources: list['_Source'],
        targets: list[Path | None],
        numbers: Iterator[int],
        batch_size: int,
        existing: str,
        result: Inference,
    ) -> Iterator[dict[int, Picture | Tensor]]:
        """Neighbours of one size, by their numbers. Videos, and what is there already, are dealt with here."""
        batch: dict[int, Picture | Tensor] = {}
        for number in numbers:
            source, target = sources[number], targets[number]
            try:
                if existing == 'skip' and target is not None and target.exists():
                    result.predictions[number] = target
                    continue
                if source.is_video:
                    result.predictions[number] = derain_video(self.model, source.content, target, batch_size).path
                    continue
                loaded = source.load()
            except (OSError, InputError) as error:
                result.failures[source.name] = str(error)
                continue
            except torch.OutOfMemoryError:
                result.failures[source.name] = too_large(source.name)
                continue
            if batch and (len(batch) == batch_size or shape(next(iter(batch.values()))) != shape(loaded)):
                yield batch
                batch = {}
            batch[number] = loaded
        if batch:
            yield batch

    def _derain(
        self,
        batch: dict[int, Picture | Tensor],
        sources: list['_Source'],
        targets: list[Path | None],
        result: Inference,
    ) -> None:
        pictures = [p if isinstance(p, Tensor) else p.to_tensor()[None] for p in batch.values()]
        sizes = [len(p) for p in pictures]
        try:
            with torch.inference_mode():
                derained = self.model.restore(torch.cat(pictures)).split(sizes)
        except torch.OutOfMemoryError:
            result.failures.update({sources[number].name: too_large(sources[number].name) for number in batch})
            return
        for (number, picture), own in zip(batch.items(), derained, strict=True):
            if isinstance(picture, Tensor):
                result.predictions[number] = own if sources[number].content.dim() == 4 else own[0]
                continue
            array, target = picture.in_form(own[0]), targets[number]
            if target is None:
                result.predictions[number] = array
                continue
            try:
                write_picture(array, target)
                result.predictions[number] = target
            except InputError as error:
                result.failures[str(target)] = str(error)


@dataclass
class _Source:
    """One input: what it is called, below which folder it was found, and the file, array or tensor itself."""

    name: str
    content: Source
    below: Path | None = None

    @property
    def is_video(self) -> bool:
        return isinstance(self.content, Path) and self.content.suffix.lower() in VIDEO_SUFFIXES

    def load(self) -> Picture | Tensor:
        if isinstance(self.content, Path):
            return read_picture(self.content)
        if isinstance(self.content, np.ndarray):
            return Picture.of_array(self.content, self.name)
        tensor = self.content
        if not tensor.is_floating_point() or tensor.dim() not in (3, 4) or tensor.shape[-3] != 3 or 0 in tensor.shape:
            raise InputError(
                f'{self.name}: {tensor.dtype} of shape {tuple(tensor.shape)}; expected RGB in [0, 1], floating, '
                '(3, H, W) or (N, 3, H, W)'
            )
        low, high = (end.item() for end in tensor.aminmax())
        if not (low > -1 and high < 2):  # a little beyond [0, 1] is what resizing leaves; NaN is neither
            raise InputError(f'{self.name}: values from {low:g} to {high:g}; expected RGB in [0, 1]')
        return tensor if tensor.dim() == 4 else tensor[None]


def too_large(name: str) -> str:
    """What is said of an input that the device's memory does not suffice for."""
    return f'{name}: the memory of the device does not suffice; set a smaller batch_size, or tile=512'


def shape(loaded: Picture | Tensor) -> tuple[int, ...]:
    """What must agree within a batch."""
    return tuple(loaded.shape[-2:]) if isinstance(loaded, Tensor) else loaded.colour.shape[:2]


def expand(inputs: Sequence[Source], out_dir: str | Path | None = None) -> Iterator[_Source]:
    """Folders become their pictures and videos; those in ``out_dir`` below them, results of an earlier call, do not.

    Raises:
        FileNotFoundError, InputError: a folder without any, a path that is not there, or no path, array or tensor.
    """
    for number, item in enumerate(inputs):
        if isinstance(item, (np.ndarray, Tensor)):
            yield _Source(f'input {number}', item)
            continue
        if not isinstance(item, (str, Path)):
            raise InputError(f'input {number}: {type(item).__name__}; expected a path, an array or a tensor')
        path = Path(item)
        if path.is_dir():
            found = list_images(path, also=(*VIDEO_SUFFIXES, '.gif'))
            if out_dir is not None and path.resolve() in Path(out_dir).resolve().parents:
                found = [name for name in found if Path(out_dir).resolve() not in (path / name).resolve().parents]
            if not found:
                raise InputError(f'{path}: no picture or video in this folder')
            yield from (_Source(str(path / name), path / name, path) for name in found)
        elif len(inputs) > 1 or path.exists():
            yield _Source(str(path), path)
        else:
            raise FileNotFoundError(f'{path}: no such picture, video or folder')


def targets_of(sources: list[_Source], out_dir: str | Path | None, existing: str) -> list[Path | None]:
    """Where each result goes.

    Raises:
        InputError: a result would lie over an input, over another result or over a file that is there; or a video is to
            be returned.
    """
    if out_dir is None:
        for source in sources:
            if source.is_video:
                raise InputError(f'{source.name}: what comes of a video is written, not returned: name out_dir')
        return [None] * len(sources)
    out_dir, targets, taken = Path(out_dir), [], {}
    if out_dir.exists() and not out_dir.is_dir():
        raise InputError(f'{out_dir}: is a file; expected a folder for the results')
    inputs = {s.content.resolve(): s.name for s in sources if isinstance(s.content, Path)}
    for source in sources:
        if isinstance(source.content, Path):
            target = out_dir / source.content.relative_to(source.below or source.content.parent)
            if source.is_video:
                target = target.with_suffix('.mp4')
            elif target.suffix.lower() not in WRITABLE:
                target = target.with_suffix('.png')
        elif isinstance(source.content, Tensor):
            targets.append(None)
            continue
        else:
            target = out_dir / f'{source.name.replace(" ", "_")}.png'
        place = target.resolve()
        if place in inputs:
            raise InputError(
                f'{source.name}: its result would overwrite the input {inputs[place]}; name another folder'
            )
        if place in taken:
            raise InputError(f'{source.name} and {taken[place]}: both would be written to {target}; call twice')
        if existing == 'refuse' and target.exists():
            raise InputError(
                f'{target}: is there already; replace or skip it (existing, --existing), or name another folder'
            )
        taken[place] = source.name
        targets.append(target)
    return targets
