"""Picture files of every common form: read for a derainer, written in the form they had."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor

from mmderain.errors import InputError

#: What a result is written as; other files become PNG.
WRITABLE = {'.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp'}
#: EXIF orientation -> quarter turns against the clock, then whether to mirror left and right.
TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


@dataclass
class Picture:
    """A picture, colour and form apart.

    Attributes:
        colour: (H, W, 3) BGR, uint8 or uint16.
        alpha: (H, W) of the same type, or None.
        grey: whether it had one channel (besides alpha).
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False

    @classmethod
    def of_array(cls, array: np.ndarray, name: str = 'the array') -> 'Picture':
        """(H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8 or uint16.

        Raises:
            InputError: anything else.
        """
        channels = 1 if array.ndim == 2 else array.shape[-1]
        if array.dtype not in (np.uint8, np.uint16) or array.ndim not in (2, 3) or channels not in (1, 3, 4):
            raise InputError(
                f'{name}: {array.dtype} of shape {array.shape}; expected uint8 or uint16, (H, W), (H, W, 3) BGR or '
                '(H, W, 4) BGRA'
            )
        if 0 in array.shape:
            raise InputError(f'{name}: shape {array.shape} has no pixels')
        if channels == 1:
            return cls(np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2), grey=True)
        return cls(array[..., :3], array[..., 3] if channels == 4 else None)

    def to_tensor(self) -> Tensor:
        """RGB float32 (3, H, W) in [0, 1]."""
        planes = np.ascontiguousarray(self.colour[..., ::-1].transpose(2, 0, 1)).astype(np.float32)
        return torch.from_numpy(planes).div_(np.iinfo(self.colour.dtype).max)

    def in_form(self, derained: Tensor) -> np.ndarray:
        """RGB float (3, H, W) in [0, 1] -> an array of this picture's channels and type; alpha is kept as it was."""
        top = np.iinfo(self.colour.dtype).max
        levels = derained.detach().float().clamp(0, 1).mul_(top).round_().cpu().numpy()
        if self.grey:
            # As RGB becomes grey in JPEG and in OpenCV.
            levels = np.rint(np.einsum('chw,c->hw', levels, np.float32([0.299, 0.587, 0.114])))[None]
        array = levels.astype(self.colour.dtype)[::-1].transpose(1, 2, 0)
        if self.alpha is not None:
            array = np.concatenate([np.repeat(array, 3, axis=2) if self.grey else array, self.alpha[..., None]], axis=2)
        return np.ascontiguousarray(array[..., 0] if array.shape[2] == 1 else array)


def read_picture(path: str | Path) -> Picture:
    """Read a file upright (EXIF), with its alpha and its 16 bits.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: no picture, a damaged one, one of several frames, or of colours that are not RGB or grey.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such picture')
    try:
        with Image.open(path) as header:
            mode, frames = header.mode, getattr(header, 'n_frames', 1)
            orientation = header.getexif().get(ExifTags.Base.Orientation, 1)
    except Image.UnidentifiedImageError:
        mode, frames, orientation = 'RGB', 1, 1  # TIFF of 16-bit RGB, which OpenCV reads
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f'{path}: cannot be read as a picture ({error})') from None
    if frames > 1:
        raise InputError(f'{path}: has {frames} frames; take them apart into pictures, or make it a video first')
    if mode in ('CMYK', 'LAB', 'HSV', 'F'):
        raise InputError(f'{path}: its colours are {mode}; expected RGB or grey: convert it first')
    try:
        array = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # an empty file
        array = None
    if array is None:
        raise InputError(
            f'{path}: cannot be read as a picture; it is damaged or of an unknown format. Replace it, or take it out.'
        )
    turns, mirrored = TURNS.get(orientation, (0, False))
    array = np.rot90(array, turns)
    picture = Picture.of_array(array[:, ::-1] if mirrored else array, str(path))
    if mode == 'LA':  # decoded as if it had colours
        picture.grey = True
    return picture


def write_picture(array: np.ndarray, path: Path) -> None:
    """Write an array as OpenCV takes it, complete or not at all; the folder is made if missing.

    Raises:
        InputError: the format cannot hold such a picture, or the disk took no more.
    """
    if path.suffix.lower() not in WRITABLE:
        raise InputError(
            f'{path}: pictures are not written as {path.suffix!r}; expected one of {", ".join(sorted(WRITABLE))}'
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix.lower() in ('.jpg', '.jpeg') else []
    part = path.with_name(f'.{path.name}.part')
    try:
        done, content = cv2.imencode(path.suffix, array, options)
        if not done:
            raise InputError(f'{path}: {array.dtype} of shape {array.shape} cannot be written as {path.suffix}')
        part.write_bytes(content)
        os.replace(part, path)
    except (OSError, cv2.error) as error:
        raise InputError(f'{path}: cannot be written ({error})') from None
    finally:
        part.unlink(missing_ok=True)
