"""Convert the frames of a video to tensors on the device of the network, and back.

The values are the same as those of :func:`~mmderain.io.image.to_rgb_tensor` and
:func:`~mmderain.io.image.to_bgr_uint8`, in the order RGB. Frames are moved to the device as whole numbers, because
these are two or four times smaller than float32 values. OpenCV makes the same conversions faster than PyTorch on a
CPU, because it needs fewer passes over the memory.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from mmderain.errors import InputError

_TABLE = np.arange(256, dtype=np.float32) / np.float32(255)


def images_to_tensor(images: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Convert images to a batch on a device.

    Args:
        images: RGB uint8 or uint16, (H, W, 3). All images have the same size and type.
        device: device of the batch. On a GPU, the function does not wait for the copy.

    Returns:
        RGB float32 (N, 3, H, W) in [0, 1].

    Raises:
        InputError: the images differ in size.
    """
    height, width = images[0].shape[:2]
    for image in images:
        if image.shape != images[0].shape:
            found = f'{image.shape[1]}x{image.shape[0]}'
            raise InputError(
                f'a frame has {found} pixels; expected {width}x{height} as in the first frame of its batch'
            )
    if device.type == 'cpu' and images[0].dtype == np.uint8:
        batch = np.empty((len(images), 3, height, width), np.float32)
        for image, planes in zip(images, batch, strict=True):
            for channel, plane in zip(cv2.split(image), planes, strict=True):
                cv2.LUT(channel, _TABLE, dst=plane)
        return torch.from_numpy(batch)
    # PyTorch supports few operations for uint16, so the values are moved as int16 and get their sign removed later.
    levels = torch.from_numpy(np.stack([image.view(_signed(image.dtype)) for image in images]))
    if device.type == 'cuda':
        levels = levels.pin_memory()  # without this, the copy would wait for the network
    levels = levels.to(device, non_blocking=True).permute(0, 3, 1, 2).contiguous()
    if levels.dtype == torch.int16:
        levels = levels.int().bitwise_and_(0xFFFF)
    # The divisor is a tensor. A GPU would multiply by the reciprocal of a plain number, which rounds differently.
    return levels.float().div_(torch.tensor(float(np.iinfo(images[0].dtype).max), device=device))


def _signed(dtype: np.dtype) -> type:
    return np.int16 if dtype == np.uint16 else np.uint8


class PendingImages:
    """Images that are being copied from a device. On a GPU, the copy runs while the program continues.

    Args:
        batch: RGB float32 (N, 3, H, W) in [0, 1]. Values outside are not expected, because ``Derainer.restore`` limits
            them.
        dtype: type of the images, ``np.uint8`` or ``np.uint16``.
    """

    def __init__(self, batch: Tensor, dtype: np.dtype | type) -> None:
        self._dtype = np.dtype(dtype)
        self._event: torch.cuda.Event | None = None
        self._batch = batch.detach().float()
        if batch.device.type == 'cpu' and self._dtype == np.uint8:
            return
        levels = self._batch.mul(float(np.iinfo(self._dtype).max)).round_()
        levels = levels.byte() if self._dtype == np.uint8 else levels.int()
        levels = levels.permute(0, 2, 3, 1).contiguous()
        if batch.device.type == 'cuda':
            host = torch.empty(levels.shape, dtype=levels.dtype, pin_memory=True)
            host.copy_(levels, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record(torch.cuda.current_stream(batch.device))
            levels = host
        self._batch = levels.cpu()

    def wait(self) -> list[np.ndarray]:
        """Wait for the copy, and return the images, RGB (H, W, 3)."""
        if self._batch.dtype == torch.float32:
            # cv2.convertScaleAbs multiplies, rounds half to even and converts in one pass over the memory.
            return [
                cv2.merge([cv2.convertScaleAbs(plane, alpha=255) for plane in image]) for image in self._batch.numpy()
            ]
        if self._event is not None:
            self._event.synchronize()
        return list(self._batch.numpy().astype(self._dtype, copy=False))
