"""Functions that connect files and a network: expand inputs, choose the paths of result files, and derain videos."""

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

#: One input of :class:`~mmderain.apis.DerainInferencer`: the path of a file or folder, an array, or a tensor.
Input = str | Path | np.ndarray | Tensor


@dataclass
class Source:
    """One input of a call.

    Attributes:
        name: name of the input in results and error messages.
        content: path of the file, or the array or tensor.
        folder: the input folder that contains the file. None if the input is the file itself.
    """

    name: str
    content: Path | np.ndarray | Tensor
    folder: Path | None = None

    @property
    def is_video(self) -> bool:
        """Return whether the input is a video file."""
        return isinstance(self.content, Path) and self.content.suffix.lower() in VIDEO_SUFFIXES

    def load(self) -> DecodedImage | Tensor:
        """Load the input.

        Returns:
            The decoded image, or the tensor with the shape (N, 3, H, W).

        Raises:
            FileNotFoundError: the file does not exist.
            InputError: the file cannot be read, or the array or tensor is not as expected.
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
        low, high = (bound.item() for bound in tensor.aminmax())
        # The bounds are wide, because resizing can give values slightly outside [0, 1]. NaN also fails the comparison.
        if not (low > -1 and high < 2):
            raise InputError(f'{self.name}: values from {low:g} to {high:g}; expected RGB in [0, 1]')
        return tensor if tensor.dim() == 4 else tensor[None]


def expand_inputs(inputs: Sequence[Input], out_dir: str | Path | None = None) -> Iterator[Source]:
    """Convert inputs to sources. A folder becomes one source for each image and video in it.

    Args:
        inputs: paths of files and folders, arrays, and tensors.
        out_dir: folder for the results. If it is in an input folder, the files in it are not inputs.

    Yields:
        The sources, in the order of the inputs.

    Raises:
        FileNotFoundError: the only input is a path that does not exist. Of several inputs, a missing file becomes a
            source, which raises the error when it is loaded.
        InputError: a folder contains no image or video, or an input is neither a path nor an array nor a tensor.
    """
    for number, item in enumerate(inputs):
        if isinstance(item, (np.ndarray, Tensor)):
            yield Source(f'input {number}', item)
            continue
        if not isinstance(item, (str, Path)):
            raise InputError(f'input {number}: {type(item).__name__}; expected a path, an array or a tensor')
        path = Path(item)
        if path.is_dir():
            names = list_images(path, also=(*VIDEO_SUFFIXES, '.gif'))
            if out_dir is not None and path.resolve() in Path(out_dir).resolve().parents:
                names = [name for name in names if Path(out_dir).resolve() not in (path / name).resolve().parents]
            if not names:
                raise InputError(f'{path}: no image or video in this folder')
            yield from (Source(str(path / name), path / name, path) for name in names)
        elif len(inputs) > 1 or path.exists():
            yield Source(str(path), path)
        else:
            raise FileNotFoundError(f'{path}: no such image, video or folder')


def result_paths(sources: list[Source], out_dir: str | Path | None, existing: str) -> list[Path | None]:
    """Return the path of the result file of each source.

    Args:
        sources: result of :func:`expand_inputs`.
        out_dir: folder for the result files. None writes no files.
        existing: ``'refuse'`` raises an error if a result file already exists. With ``'skip'`` or ``'replace'``,
            existing files are accepted.

    Returns:
        One path for each source. It is None if the result is returned and not written.

    Raises:
        InputError: a result would overwrite an input, another result or (with ``existing='refuse'``) an existing file;
            ``out_dir`` is a file; or ``out_dir`` is None and a source is a video.
    """
    if out_dir is None:
        for source in sources:
            if source.is_video:
                raise InputError(f'{source.name}: the result of a video is always written to a file; set out_dir')
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
            raise InputError(
                f'{source.name} and {taken[resolved]}: both would be written to {path}; derain them in two calls with '
                'different folders'
            )
        if existing == 'refuse' and path.exists():
            raise InputError(
                f"{path}: already exists; use existing='replace' or 'skip' (--existing), or name another folder"
            )
        taken[resolved] = source.name
        paths.append(path)
    return paths


def _result_name(source: Source) -> Path:
    """Return the name of the source with the suffix of a format that can be written."""
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
        path: path of the written file.
        frames: number of frames.
        flicker: mean absolute change between successive frames in levels of 255, (before, after) deraining. None for a
            single frame. Rain streaks change from frame to frame, so that removing them decreases this value. Motion in
            the scene contributes to both values.
        audio: whether the file has sound.
    """

    path: Path
    frames: int
    flicker: tuple[float, float] | None
    audio: bool


def derain_video(
    model: Derainer, source: str | Path, target: str | Path, batch_size: int = 1, limit: int | None = None
) -> VideoReport:
    """Derain a video frame by frame, and write the result to an MP4 file.

    If an error is raised, the result file is not written. The sound is copied if ffmpeg is installed.

    Args:
        model: a derainer in ``eval()`` mode.
        source: path of a video that OpenCV can read.
        target: path of the result file, which must end in ``.mp4``. Its folder is created if it does not exist.
        batch_size: number of frames that are derained together. Default: 1.
        limit: number of frames to derain, from the start of the video. None derains all frames.

    Returns:
        The path, the number of frames, the flicker, and whether the file has sound.

    Raises:
        FileNotFoundError: the source does not exist.
        InputError: the source cannot be read, or the target cannot be written.
    """
    target = require_mp4(target)
    if target.resolve() == Path(source).resolve():
        raise InputError(f'{source}: its result would overwrite the video; name another target')
    frames, rate = read_frames(source)
    changes, num_frames, previous = [], 0, None

    def derained() -> Iterator[np.ndarray]:
        nonlocal num_frames, previous
        device = next(model.parameters(), torch.empty(0)).device
        selected = islice(frames, limit)
        while batch := list(islice(selected, batch_size)):
            with torch.inference_mode():
                restored = model.restore(torch.stack([to_rgb_tensor(frame) for frame in batch]).to(device))
            for pair in zip(batch, map(to_bgr_uint8, restored), strict=True):
                yield pair[1]
                if previous is not None:
                    changes.append([_mean_change(a, b) for a, b in zip(previous, pair, strict=True)])
                previous, num_frames = pair, num_frames + 1

    audio = write_frames(derained(), target, rate, sound_from=source)
    flicker = None
    if changes:
        before, after = np.mean(changes, axis=0)
        flicker = float(before), float(after)
    return VideoReport(target, num_frames, flicker, audio)


def _mean_change(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean absolute difference of two images."""
    return np.abs(np.subtract(first, second, dtype=np.float32)).mean()
