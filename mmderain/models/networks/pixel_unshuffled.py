"""A wrapper that runs a network at a lower resolution."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmderain.registry import MODELS

from ..tiling import Tile


@MODELS.register_module()
class PixelUnshuffled(BaseModule):
    """Run a network at a lower resolution: each block of pixels becomes one pixel with more channels.

    The rearrangement of the pixels is the reverse of Eq. 4 of Shi et al. (CVPR 2016). With ``factor=2``, a network can
    have twice as many feature channels at about the same cost. Its receptive field in the image is twice as wide.

    Args:
        network: config of the network. It is built with ``image_channels = 3 * factor ** 2``.
        factor: side of the blocks in pixels: 2, 4, 8 or 16. Tiles begin at multiples of 16 pixels, so a tile never
            begins inside a block.
        init_cfg: config of mmengine's weight initialization.

    Raises:
        ValueError: ``factor`` is not 2, 4, 8 or 16.
    """

    def __init__(self, network: dict, factor: int = 2, init_cfg: dict | Sequence[dict] | None = None) -> None:
        super().__init__(init_cfg)
        if factor not in (2, 4, 8, 16):
            raise ValueError(f'PixelUnshuffled: factor must be 2, 4, 8 or 16, found {factor!r}')
        self.factor = factor
        self.network = MODELS.build(dict(network, image_channels=3 * factor**2, _scope_='mmderain'))
        inner = self.network.spec
        self.spec = replace(
            inner,
            min_size=factor * inner.min_size,
            size_multiple=factor * inner.size_multiple,
            halo=factor * inner.halo,
            bytes_per_pixel=ceil(inner.bytes_per_pixel / factor**2),
        )

    def forward(self, x: Tensor, tile: Tile | None = None) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy images (N, 3, H, W). H and W must meet the requirements of ``spec``.
            tile: the part of the images that ``x`` contains; None if ``x`` contains whole images.

        Returns:
            The stage results of the network, each (N, 3, H, W).
        """
        folded = F.pixel_unshuffle(x, self.factor)
        if tile is not None and self.spec.takes_tile:
            results = self.network(folded, tile.folded(self.factor))
        else:
            results = self.network(folded)
        return [F.pixel_shuffle(result, self.factor) for result in results]
