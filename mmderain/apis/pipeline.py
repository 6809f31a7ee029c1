"""Connect files and a network: find the inputs of a call, name the result files, and derain videos."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmderain.errors import InputError
from mmderain.io.image import IMAGE_SUFFIXES, DecodedImage, decode_image, list_images, to_bgr_uint8, to_rgb_tensor
from mmderain.io.video import VIDEO_SUFFIXES, read_frames, require_mp4, write_frames
from mmderain.models import Derainer

Input = str | Path | np.ndarray | Tensor


@dataclass
class Source:
    """One input of a call.

    Attributes:
        name: name in results and error messages.
        content: the file, array or tensor.
        folder: the folder in which the file was found; None for a file that was named itself.
    """

    name: str
    content: Path | np.ndarray | Tensor
    folder: Path | None = None

    @property
    def is_video(self) -> bool:
        """Return whether the input is a video file."""
        return isinstance(self.content, Path) and self.content.suffix.lower() in VIDEO_SUFFIXES

    def load(self) -> DecodedImage | Tensor:
        """Return the image, or the tensor as (N, 3, H, W).

        Raises:
            FileNotFoundError, InputError: the file cannot be read, or the array or tensor is not as expected.
        """
        if isinstance(self.content, Path):
            return decode_image(self.content)
        if isinstance(self.content, np.ndarray):
            return DecodedImage.from_array(self.content, self.name)
        tensor = self.content
        if not tensor.is_floating_point() or tensor.dim() not in (3, 4) or tensor.shape[-3] != 3 or 0 in tensor.shape:
            raise InputError(
                f'{self.name}: {tensor.dtype} of shape {tuple(tensor.shape)}; expected RGB in [0, 1], floating, '
                '(3, H, W) or (N, 3, H, W)'
            )
        low, high = (end.item() for end in tensor.aminmax())
        # Resizing leaves values a little outside [0, 1]. This comparison also refuses NaN.
        if not (low > -1 and high < 2):
            raise InputError(f'{self.name}: values from {low:g} to {high:g}; expected RGB in [0, 1]')
        return tensor if tensor.dim() == 4 else tensor[None]


def expand_inputs(inputs: Sequence[Input], out_dir: str | Path | None = None) -> Iterator[Source]:
    """Replace folders by the images and videos in them.

    Args:
        inputs: paths of files and folders, arrays, tensors.
        out_dir: folder of results; if it lies in an input folder, its files are not inputs.

    Raises:
        FileNotFoundError, InputError: a path does not exist, a folder has no image or video, or an input is neither a
            path nor an array nor a tensor.
    """
    for number, item in enumerate(inputs):
        if isinstance(item, (np.ndarray, Tensor)):
            yield Source(f'input {number}', item)
            continue
        if not isinstance(item, (str, Path)):
            raise InputError(f'input {number}: {type(item).__name__}; expected a path, an array or a tensor')
        path = Path(item)
        if path.is_dir():
            found = list_images(path, also=(*VIDEO_SUFFIXES, '.gif'))
            if out_dir is not None and path.resolve() in Path(out_dir).resolve().parents:
                found = [name for name in found if Path(out_dir).resolve() not in (path / name).resolve().parents]
            if not found:
                raise InputError(f'{path}: no image or video in this folder')
            yield from (Source(str(path / name), path / name, path) for name in found)
        elif len(inputs) > 1 or path.exists():
            yield Source(str(path), path)
        else:
            raise FileNotFoundError(f'{path}: no such image, video or folder')


def result_paths(sources: list[Source], out_dir: str | Path | None, existing: str) -> list[Path | None]:
    """Return where the result of each source is written, None where it is returned instead.

    Args:
        sources: result of :func:`expand_inputs`.
        out_dir: folder of results; None returns all of them.
        existing: ``'refuse'`` raises an error if a result file already exists.

    Raises:
        InputError: a result would overwrite an input, another result or, if refused, an existing file; or a video
            would have to be returned.
    """
    if out_dir is None:
        for source in sources:
            if source.is_video:
                raise InputError(f'{source.name}: the result of a video is written, not returned; set out_dir')
        return [None] * len(sources)
    out_dir = Path(out_dir)
    paths: list[Path | None] = []
    taken: dict[Path, str] = {}
    if out_dir.exists() and not out_dir.is_dir():
        raise InputError(f'{out_dir}: is a file; expected a folder for the results')
    inputs = {source.content.resolve(): source.name for source in sources if isinstance(source.content, Path)}
    for source in sources:
        if isinstance(source.content, Tensor):
            paths.append(None)
            continue
        path = out_dir / _result_name(source)
        resolved = path.resolve()
        if resolved in inputs:
            raise InputError(
                f'{source.name}: its result would overwrite the input {inputs[resolved]}; name another folder'
            )
        if resolved in taken:
            raise InputError(f'{source.name} and {taken[resolved]}: both would be written to {path}; call twice')
        if existing == 'refuse' and path.exists():
            raise InputError(
                f"{path}: already exists; use existing='replace' or 'skip' (--existing), or name another folder"
            )
        taken[resolved] = source.name
        paths.append(path)
    return paths


def _result_name(source: Source) -> Path:
    """Return the name of a result in its folder: that of the source, with a suffix that can be written."""
    if not isinstance(source.content, Path):
        return Path(f'{source.name.replace(" ", "_")}.png')
    name = source.content.relative_to(source.folder or source.content.parent)
    if source.is_video:
        return name.with_suffix('.mp4')
    return name if name.suffix.lower() in IMAGE_SUFFIXES else name.with_suffix('.png')


@dataclass(frozen=True)
class VideoReport:
    """Result of :func:`derain_video`.

    Attributes:
        path: the written file.
        frames: number of frames.
        flicker: mean absolute change from a frame to the next, levels of 255, before and after deraining; None for a
            single frame. Rain is elsewhere in each frame, so it flickers; motion in the scene counts in both values.
        audio: whether the file has sound.
    """

    path: Path
    frames: int
    flicker: tuple[float, float] | None
    audio: bool


def derain_video(
    model: Derainer, source: str | Path, target: str | Path, batch_size: int = 1, limit: int | None = None
) -> VideoReport:
    """Derain a video frame by frame into an MP4 file, completely or not at all; keep its sound if ffmpeg is installed.

    Args:
        model: derainer in ``eval()`` mode.
        source: a video that OpenCV reads.
        target: ends in ``.mp4``; its folder is created if it is missing.
        batch_size: number of frames that are derained together.
        limit: number of frames from the start; None takes all.

    Raises:
        FileNotFoundError, InputError: the source cannot be read, or the target cannot be written.
    """
    target = require_mp4(target)
    if target.resolve() == Path(source).resolve():
        raise InputError(f'{source}: its result would overwrite it; name another target')
    frames, rate = read_frames(source)
    changes, number, last = [], 0, None

    def derained() -> Iterator[np.ndarray]:
        nonlocal number, last
        device = next(model.parameters(), torch.empty(0)).device
        taken = islice(frames, limit)
        while batch := list(islice(taken, batch_size)):
            with torch.inference_mode():
                restored = model.restore(torch.stack([to_rgb_tensor(frame) for frame in batch]).to(device))
            for pair in zip(batch, map(to_bgr_uint8, restored), strict=True):
                yield pair[1]
                if last is not None:
                    changes.append([_mean_change(a, b) for a, b in zip(last, pair, strict=True)])
                last, number = pair, number + 1

    audio = write_frames(derained(), target, rate, sound_from=source)
    flicker = None
    if changes:
        before, after = np.mean(changes, axis=0)
        flicker = float(before), float(after)
    return VideoReport(target, number, flicker, audio)


def _mean_change(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean absolute difference of two images."""
    return np.abs(np.subtract(one, other, dtype=np.float32)).mean()
