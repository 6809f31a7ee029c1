"""Derain a batch of loaded images: move it to the device, run the network, and move the result back."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from mmderain.io.image import DecodedImage
from mmderain.models import Derainer

#: A loaded input: an image, or a tensor (N, 3, H, W).
Loaded = DecodedImage | Tensor


def input_size(loaded: Loaded) -> tuple[int, int]:
    """Return the height and width of a loaded input."""
    height, width = loaded.shape[-2:] if isinstance(loaded, Tensor) else loaded.bgr.shape[:2]
    return height, width


def batch_key(loaded: Loaded) -> tuple:
    """Return a value that is equal for inputs that can be in one batch: the same kind, size and device."""
    if isinstance(loaded, Tensor):
        return (*input_size(loaded), loaded.dtype, loaded.device)
    return (*input_size(loaded), loaded.bgr.dtype)


def num_bytes(loaded: Loaded) -> int:
    """Return the number of bytes of a loaded input in the memory of the host."""
    if isinstance(loaded, Tensor):
        return 0  # the caller holds the tensor anyway
    return loaded.bgr.nbytes + (0 if loaded.alpha is None else loaded.alpha.nbytes)


@dataclass
class Restored:
    """Result of the network for one input.

    Attributes:
        values: 8-bit RGB levels (H, W, 3) of an image with 8 bits, a float RGB tensor (3, H, W) in [0, 1] of an image
            with 16 bits, or the derained tensor (N, 3, H, W) of a tensor.
        ready: event after which ``values`` are complete in the memory of the host. None if they are complete already.
    """

    values: Tensor
    ready: torch.cuda.Event | None = None

    def wait(self) -> None:
        """Wait until the values are complete."""
        if self.ready is not None:
            self.ready.synchronize()

    def to_array(self, image: DecodedImage) -> np.ndarray:
        """Convert the result to an array in the format of an image, as :meth:`DecodedImage.with_color` does."""
        if image.bgr.dtype != np.uint8 or image.is_gray:
            values = self.values
            # Float levels from 0 to 255 divided by 255 are rounded to the same levels again.
            color = values if values.is_floating_point() else values.permute(2, 0, 1).float().div_(255)
            return image.with_color(color)
        levels = self.values.numpy()
        if image.alpha is None:
            return cv2.cvtColor(levels, cv2.COLOR_RGB2BGR)
        return np.dstack([levels[..., ::-1], image.alpha])


class BatchRunner:
    """Run a derainer on batches of loaded inputs.

    8-bit images are moved to the device and back as bytes, which are four times smaller than float values. On a GPU,
    the batch is copied from pinned memory in a separate stream, so that the copy does not wait for the network. The
    call returns before the GPU has finished.

    Args:
        model: a derainer in ``eval()`` mode.
    """

    def __init__(self, model: Derainer) -> None:
        self.model = model
        self.device = next(model.parameters(), torch.empty(0)).device
        self.upload_stream = torch.cuda.Stream(self.device) if self.device.type == 'cuda' else None

    @torch.inference_mode()
    def __call__(self, batch: Sequence[Loaded], tile: int | None = None) -> list[Restored]:
        """Derain inputs that have the same :func:`batch_key`.

        Args:
            batch: the loaded inputs.
            tile: side of the tiles in pixels, see :meth:`~mmderain.models.Derainer.restore`. None uses the setting of
                the model.
        """
        tensors = [item for item in batch if isinstance(item, Tensor)]
        if tensors:
            restored = self.model.restore(torch.cat(tensors), tile)
            return [Restored(part) for part in restored.split([len(tensor) for tensor in tensors])]
        images = [item for item in batch if isinstance(item, DecodedImage)]
        if images[0].bgr.dtype != np.uint8:
            deep = torch.stack([image.to_tensor() for image in images])
            return [Restored(values) for values in self.model.restore(deep, tile)]
        # cv2.cvtColor exchanges the channels faster than NumPy and torch do. Without a transposition, the batch already
        # has the memory layout channels_last, which Derainer.stages uses.
        inputs = np.empty((len(images), *images[0].bgr.shape), np.uint8)
        for image, rgb in zip(images, inputs):
            cv2.cvtColor(np.ascontiguousarray(image.bgr), cv2.COLOR_BGR2RGB, dst=rgb)
        uploaded = self._upload(torch.from_numpy(inputs)).permute(0, 3, 1, 2)
        restored = self.model.restore(uploaded.float().div_(255), tile)
        levels = restored.clamp(0, 1).mul_(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        return self._download(levels)

    def _upload(self, inputs: Tensor) -> Tensor:
        if self.upload_stream is None:
            return inputs
        current = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.upload_stream):
            uploaded = inputs.pin_memory().to(self.device, non_blocking=True)
        current.wait_stream(self.upload_stream)
        uploaded.record_stream(current)
        return uploaded

    def _download(self, levels: Tensor) -> list[Restored]:
        if self.upload_stream is None:
            return [Restored(values) for values in levels]
        host = torch.empty(levels.shape, dtype=levels.dtype, pin_memory=True)
        host.copy_(levels, non_blocking=True)
        ready = torch.cuda.Event()
        ready.record(torch.cuda.current_stream(self.device))
        return [Restored(values, ready) for values in host]
