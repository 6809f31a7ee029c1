"""Find the inputs of the inferencer, and choose the paths of their result files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from mmderain.errors import InputError
from mmderain.io.image import IMAGE_SUFFIXES, DecodedImage, decode_image, list_images
from mmderain.io.image_header import MAX_PIXELS
from mmderain.io.video import VIDEO_SUFFIXES
from mmderain.models.derainer import tensor_problem

#: One input of :class:`~mmderain.apis.DerainInferencer`: the path of a file or folder, an array, or a tensor.
Input = str | Path | np.ndarray | Tensor


@dataclass
class Source:
    """One image, video, array or tensor that the inferencer derains.

    Attributes:
        name: name of the input in results and error messages.
        content: path of the file, or the array or tensor.
        folder: the input folder in which the file was found. None if the file itself is the input.
        target: path of the result file. None if no result file is written.
        problem: the reason why the input cannot be derained, if it is known before the input is loaded.
    """

    name: str
    content: Path | np.ndarray | Tensor
    folder: Path | None = None
    target: Path | None = None
    problem: InputError | None = None

    @property
    def is_video(self) -> bool:
        """Return whether the input is a video file."""
        return isinstance(self.content, Path) and self.content.suffix.lower() in VIDEO_SUFFIXES

    def load(self, max_pixels: int = MAX_PIXELS) -> DecodedImage | Tensor:
        """Load the image, array or tensor. Videos are not loaded with this method.

        Args:
            max_pixels: largest number of pixels of an image file.

        Returns:
            The decoded image. For a tensor, the tensor with the shape (N, 3, H, W).

        Raises:
            FileNotFoundError: the file does not exist.
            InputError: the file cannot be read, or the array or tensor is not as expected.
        """
        if isinstance(self.content, Path):
            return decode_image(self.content, max_pixels)
        if isinstance(self.content, np.ndarray):
            return DecodedImage.from_array(self.content, self.name)
        tensor = self.content
        if problem := tensor_problem(tensor):
            raise InputError(f'{self.name}: {problem}')
        if tensor.dim() not in (3, 4) or tensor.shape[-3] != 3 or 0 in tensor.shape:
            raise InputError(
                f'{self.name}: found {tensor.dtype} of shape {tuple(tensor.shape)}; expected a floating-point RGB '
                'tensor in [0, 1] with the shape (3, H, W) or (N, 3, H, W)'
            )
        low, high = (bound.item() for bound in tensor.aminmax())
        # The accepted range is wider than [0, 1], because resizing can give values slightly outside [0, 1]. The
        # comparison also refuses NaN.
        if not (low > -1 and high < 2):
            raise InputError(f'{self.name}: found values from {low:g} to {high:g}; expected RGB in [0, 1]')
        return tensor if tensor.dim() == 4 else tensor[None]


def plan_inputs(inputs: Sequence[Input], out_dir: str | Path | None, existing: str) -> list[Source]:
    """Return a source for each image, video, array and tensor, and choose the paths of the result files.

    Args:
        inputs: paths of files and folders, arrays, and tensors. The images and videos in a folder and its sub-folders
            become one source each.
        out_dir: folder for the result files. None writes no files. If ``out_dir`` lies inside an input folder, the
            files in ``out_dir`` are not used as inputs.
        existing: ``'refuse'`` raises an error if a result file already exists. With ``'skip'`` or ``'replace'``,
            existing files are accepted.

    Returns:
        The sources, in the order of the inputs. If the path of a source is not valid, or if the result of an earlier
        source would be written to the same file, the error is stored as the ``problem`` of the source.

    Raises:
        FileNotFoundError: the only input is a path that does not exist. If there are several inputs, a missing file
            becomes a source that raises the error when it is loaded.
        InputError: a folder contains no image or video; an input is not a path, an array or a tensor; a result would
            overwrite an input; a result file already exists and ``existing`` is ``'refuse'``; ``out_dir`` is a file; or
            ``out_dir`` is None and a source is a video.
    """
    sources = [source for number, item in enumerate(inputs) for source in _sources(number, item, out_dir)]
    if len(inputs) == 1 and isinstance(inputs[0], str | Path) and len(sources) == 1 and not sources[0].problem:
        if not Path(inputs[0]).exists():
            raise FileNotFoundError(f'{inputs[0]}: no such image, video or folder')
    if out_dir is None:
        for source in sources:
            if source.is_video:
                raise InputError(f'{source.name}: the result of a video must be written to a file; set out_dir')
    else:
        _set_targets(sources, Path(out_dir), existing)
    return sources


def _sources(number: int, item: Input, out_dir: str | Path | None) -> Iterator[Source]:
    """Yield the sources of one input."""
    if isinstance(item, (np.ndarray, Tensor)):
        yield Source(f'input {number}', item)
        return
    if not isinstance(item, (str, Path)):
        raise InputError(f'input {number}: found {type(item).__name__}; expected a path, an array or a tensor')
    path = Path(item)
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:  # for example if the name is too long
        name = f'{str(path)[:80]}...' if len(str(path)) > 80 else str(path)
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        yield Source(name, path, problem=InputError(f'{name!r}: cannot be used as a path ({reason})'))
        return
    if not is_folder:
        yield Source(str(path), path)
        return
    names = list_images(path, also=(*VIDEO_SUFFIXES, '.gif'))
    if out_dir is not None and _resolve(path) in _resolve(Path(out_dir)).parents:
        names = [name for name in names if _resolve(Path(out_dir)) not in _resolve(path / name).parents]
    if not names:
        raise InputError(f'{path}: this folder contains no image or video')
    yield from (Source(str(path / name), path / name, path) for name in names)


def _resolve(path: Path) -> Path:
    """Return the absolute path with all links resolved. If links form a loop, they are not resolved."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def _set_targets(sources: list[Source], out_dir: Path, existing: str) -> None:
    """Set the target of each source, or its problem if an earlier source has the same target."""
    if out_dir.exists() and not out_dir.is_dir():
        raise InputError(f'{out_dir}: is a file; expected a folder for the results')
    if not out_dir.exists() and out_dir.suffix.lower() in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES):
        raise InputError(
            f'{out_dir}: is the name of a file; expected a folder, because each result file gets the name of its input'
        )
    files = [source for source in sources if isinstance(source.content, Path) and not source.problem]
    inputs = {_resolve(Path(str(source.content))): source.name for source in files}
    taken: dict[Path, str] = {}
    for source in sources:
        if isinstance(source.content, Tensor) or source.problem:
            continue
        path = out_dir / _result_name(source)
        resolved = _resolve(path)
        if resolved in inputs:
            raise InputError(
                f'{source.name}: its result would overwrite the input {inputs[resolved]}; name another output folder'
            )
        if resolved in taken:
            source.problem = InputError(
                f'{source.name} and {taken[resolved]}: both would be written to {path}; derain them in two calls with '
                'different output folders'
            )
            continue
        if existing == 'refuse' and path.exists():
            raise InputError(
                f"{path}: already exists; use existing='replace' or 'skip' (--existing), or name another output folder"
            )
        taken[resolved] = source.name
        source.target = path


def _result_name(source: Source) -> Path:
    """Return the path of a result file relative to the output folder.

    It is the name of the input. The suffix changes if this format cannot be written.
    """
    if not isinstance(source.content, Path):
        return Path(f'{source.name.replace(" ", "_")}.png')
    name = source.content.relative_to(source.folder or source.content.parent)
    if source.is_video:
        return name.with_suffix('.mp4')
    return name if name.suffix.lower() in IMAGE_SUFFIXES else name.with_suffix('.png')
