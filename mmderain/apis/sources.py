"""One input of the inferencer: how it is named, loaded and written."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from mmderain.errors import InputError
from mmderain.io.encoding import loses_alpha
from mmderain.io.image import (
    DecodedImage,
    decode_image,
    decode_image_bytes,
    encode_image,
    image_from_pillow,
    write_image,
)
from mmderain.io.image_header import MAX_PIXELS
from mmderain.io.naming import Naming
from mmderain.io.remote import RemotePath
from mmderain.io.tar_shards import Member
from mmderain.io.video import VIDEO_SUFFIXES
from mmderain.models.derainer import tensor_problem

from .results import Prediction

#: An image in memory that is an input: an array, a Pillow image, or a tensor.
InMemory = np.ndarray | Image.Image | Tensor
#: One input of :class:`~mmderain.apis.DerainInferencer`: the path or URL of a file or folder, or an image in memory.
#: A path-like object that is not a Path is replaced by its text.
Input = str | os.PathLike | InMemory


@dataclass
class Source:
    """One image, video, array or tensor that the inferencer derains.

    Attributes:
        name: name of the input in results and error messages.
        content: path of the file, member of a shard, or the image in memory.
        folder: path or URL of the input folder in which the file was found. None if the file itself is the input.
        target: path of the result file, or of the derained shard. None if no result file is written.
        problem: the reason why the input cannot be derained, if it is known before the input is loaded.
        check_target: function of the source that looks at the target, see :meth:`is_done`. None checks nothing.
        earlier_folders: input folders that come before ``folder`` in the list of inputs, with the same result folder.
        naming: rules for the names of the result files.
        moved_from: the first target, if :meth:`fit_target` has changed the target. Otherwise None.
    """

    name: str
    content: Path | RemotePath | Member | InMemory
    folder: Path | RemotePath | None = None
    target: Path | RemotePath | None = None
    problem: InputError | None = None
    check_target: 'Callable[[Source], bool] | None' = None
    earlier_folders: tuple[Path, ...] = ()
    naming: Naming = Naming()
    moved_from: Path | RemotePath | None = None

    @property
    def is_video(self) -> bool:
        """Return whether the input is a video file."""
        return isinstance(self.content, Path) and self.content.suffix.lower() in VIDEO_SUFFIXES

    def is_done(self) -> bool:
        """Return whether the input is skipped, because its result file already exists.

        Raises:
            InputError: the input cannot be derained, or its result file must not be written.
        """
        if self.problem is not None:
            raise self.problem
        return self.target is not None and self.check_target is not None and self.check_target(self)

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
        if isinstance(self.content, RemotePath):
            return decode_image_bytes(self.content.read_bytes(), self.name, max_pixels)
        if isinstance(self.content, Member):
            return decode_image_bytes(self.content.content, self.name, max_pixels)
        if isinstance(self.content, np.ndarray):
            return DecodedImage.from_array(self.content, self.name)
        if isinstance(self.content, Image.Image):
            return image_from_pillow(self.content, self.name)
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

    def fit_target(self, loaded: DecodedImage | Tensor) -> bool:
        """Change the target to a PNG file if its format would lose the transparent pixels of the loaded image.

        The new name is the old name with ``.png`` after it. Therefore two images never get the same new name. The
        members of a shard keep their names.

        Returns:
            Whether the target was changed. Then :meth:`is_done` must look at the new target.
        """
        target = self.target
        if target is None or isinstance(loaded, Tensor) or isinstance(self.content, Member):
            return False
        if not loses_alpha(Path(target.name).suffix, loaded.alpha):
            return False
        self.target, self.moved_from = target.with_name(f'{target.name}.png'), target
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        """Return sentences that tell the user what differs between the input and its result."""
        if self.moved_from is None:
            return ()
        return (f'{self.name}: has transparent pixels, which JPEG cannot store; the result is {self.target}',)

    def save(self, array: np.ndarray) -> Prediction:
        """Write the derained image to the target, and return its path. Without a target, return the array.

        The derained image of a shard replaces the content of its member.

        Raises:
            InputError: the image cannot be written.
        """
        if self.target is None:
            return array
        if isinstance(self.content, Member):
            self.content.content = self._encode(array, self.content.suffix)
        elif isinstance(self.target, RemotePath):
            self.target.write_bytes(self._encode(array, Path(self.target.name).suffix))
        else:
            write_image(array, self.target)
        return self.target

    def _encode(self, array: np.ndarray, suffix: str) -> bytes:
        try:
            return encode_image(array, suffix)
        except InputError as error:
            raise InputError(f'{self.name}: {error}') from None
