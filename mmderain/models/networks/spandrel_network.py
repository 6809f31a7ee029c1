"""Networks of the package spandrel, such as NAFNet, Restormer, MPRNet and SwinIR, with the weights of a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmderain.errors import InputError
from mmderain.io import read_checkpoint
from mmderain.registry import MODELS

from ..spec import NetworkSpec

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor


@MODELS.register_module()
class SpandrelNetwork(BaseModule):
    """A published restoration network. spandrel recognizes the network by the names of the weights in a checkpoint.

    The network is used as it is, and cannot be trained. If the package spandrel_extra_arches is installed, its networks
    are recognized too, for example Restormer and MPRNet. They have licenses of their own.

    Args:
        checkpoint: path or address of the checkpoint, see :func:`~mmderain.io.checkpoint.read_checkpoint`.
        halo: number of pixels around a tile that the network also sees. Default: 64.
        bytes_per_pixel: upper limit of the memory of a forward pass for each pixel of the input. Default: 16384.

    Raises:
        FileNotFoundError: the checkpoint does not exist.
        InputError: spandrel is not installed or does not recognize the network, or the network does not map RGB images
            to RGB images of the same size.
    """

    def __init__(self, checkpoint: str | Path, halo: int = 64, bytes_per_pixel: int = 16384) -> None:
        super().__init__()
        self._descriptor = _load(checkpoint)
        self.network = self._descriptor.model.eval()
        size = self._descriptor.size_requirements
        self.spec = NetworkSpec(
            min_size=max(size.minimum, 1),
            size_multiple=size.multiple_of,
            halo=halo,
            bytes_per_pixel=bytes_per_pixel,
            has_weights=True,
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Restore a batch.

        Args:
            x: images (N, 3, H, W), RGB in [0, 1]. H and W must be allowed by ``spec``.

        Returns:
            A list with one result, (N, 3, H, W) in [0, 1].
        """
        # spandrel only promises a result for single images.
        return [torch.cat([self._descriptor(image) for image in x.split(1)])]


def _load(checkpoint: str | Path) -> 'ImageModelDescriptor':
    """Return the network of a checkpoint with its weights."""
    try:
        from spandrel import MAIN_REGISTRY, ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError:
        raise InputError(
            f'{checkpoint}: SpandrelNetwork needs spandrel; run pip install "mmderain[restorers]"'
        ) from None
    registry = MAIN_REGISTRY.copy()
    try:
        from spandrel_extra_arches import EXTRA_REGISTRY
    except ImportError:
        hint = '. Restormer and MPRNet also need `pip install spandrel_extra_arches`, and have licenses of their own'
    else:
        registry.add(*EXTRA_REGISTRY, ignore_duplicates=True)
        hint = ''
    content = read_checkpoint(checkpoint)
    try:
        descriptor = ModelLoader(registry=registry).load_from_state_dict(content)
    except Exception as error:  # for weights that only resemble those of a network, the type depends on the network
        reason = '' if isinstance(error, UnsupportedModelError) else f' ({type(error).__name__}: {error})'
        raise InputError(
            f'{checkpoint}: spandrel does not recognize the network of these weights{reason}{hint}'
        ) from error
    kind = descriptor.architecture.name
    if not isinstance(descriptor, ImageModelDescriptor) or descriptor.scale != 1:
        raise InputError(
            f'{checkpoint}: {kind} changes the size of an image, or needs a mask; expected a restoration network'
        )
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise InputError(
            f'{checkpoint}: this {kind} maps {descriptor.input_channels} channels to {descriptor.output_channels}; '
            'expected 3 channels (RGB)'
        )
    if descriptor.size_requirements.square:
        raise InputError(f'{checkpoint}: {kind} only takes square images, which mmderain does not support')
    return descriptor
