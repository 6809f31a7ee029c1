"""The borders between picture files, arrays and tensors.

Arrays are BGR uint8 (H, W, 3), as everywhere in OpenMMLab; tensors RGB float in [0, 1], (3, H, W).
"""

from pathlib import Path

import cv2
import mmcv
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmderain.errors import InputError


def read_image(path: str | Path) -> np.ndarray:
    """Read a picture as BGR uint8 (H, W, 3).

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is not a picture, or a damaged one.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such picture')
    try:
        img = mmcv.imread(str(path), flag='color')
    except cv2.error:  # an empty file
        img = None
    if img is None:
        raise InputError(
            f'{path}: cannot be read as a picture; it is damaged or of an unknown format. Replace it, or take it out.'
        )
    return img


def image_size(path: str | Path, decode: bool = False) -> tuple[int, int]:
    """Height and width of a picture as :func:`read_image` gives it; only its header is read.

    Args:
        decode: read every pixel too, so that a damaged file is found out.

    Raises:
        InputError: it is not a picture, or a damaged one.
    """
    try:
        with Image.open(path) as img:
            width, height = img.size
            if decode:
                img.load()
            # EXIF's orientation: from 5 on, the picture is turned by a quarter when it is read.
            turned = img.getexif().get(0x0112, 1) >= 5
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f'{path}: cannot be read as a picture ({error})') from None
    return (width, height) if turned else (height, width)


def to_rgb_tensor(img: np.ndarray) -> Tensor:
    """BGR uint8 (H, W, 3) -> RGB float32 (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(img[..., ::-1].transpose(2, 0, 1))).float() / 255


def to_bgr_uint8(img: Tensor) -> np.ndarray:
    """RGB float (3, H, W) in [0, 1] -> BGR uint8 (H, W, 3), rounded to nearest and clipped.

    Rounding matters: truncating would change PSNR (38.977 to 39.018 dB on Rain100L's first pair). NaN is the
    caller's to find.
    """
    # One copy, and the rest in place: pictures may be large.
    levels = img.detach().float().clamp(0, 1).mul_(255).round_().byte().cpu().numpy()
    return np.ascontiguousarray(levels.transpose(1, 2, 0)[..., ::-1])
