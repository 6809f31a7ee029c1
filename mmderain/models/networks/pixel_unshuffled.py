from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmderain.registry import MODELS

from ..tiling import BYTES_PER_PIXEL, HALO, Tile, current_tile, within


@MODELS.register_module()
class PixelUnshuffled(BaseModule):
    """Run a network on the image folded to a lower resolution: each block of pixels becomes channels of one pixel.

    At the same cost a network behind ``factor=2`` can have twice the width, and its receptive field is twice as large
    (Shi et al., CVPR 2016, Eq. 4, applied in reverse).

    Args:
        network: config of the network. It is built with ``image_channels = 3 * factor ** 2``.
        factor: side of the blocks in pixels; a divisor of 16, so that tiles begin on a block.
        init_cfg: mmengine's weight initialization.

    Raises:
        ValueError: ``factor`` is not 2, 4, 8 or 16.
    """

    def __init__(self, network: dict, factor: int = 2, init_cfg: dict | Sequence[dict] | None = None) -> None:
        super().__init__(init_cfg)
        if factor not in (2, 4, 8, 16):
            raise ValueError(f'PixelUnshuffled: factor must be 2, 4, 8 or 16, found {factor!r}')
        self.factor = factor
        self.network = MODELS.build(dict(network, image_channels=3 * factor**2, _scope_='mmderain'))
        self.channel_order = getattr(self.network, 'channel_order', 'rgb')
        self.min_size = factor * getattr(self.network, 'min_size', 1)
        self.size_multiple = factor * getattr(self.network, 'size_multiple', 1)
        self.halo = factor * getattr(self.network, 'halo', HALO)
        self.bytes_per_pixel = -(-getattr(self.network, 'bytes_per_pixel', BYTES_PER_PIXEL) // factor**2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy images (N, 3, H, W); H and W are multiples of ``size_multiple``.

        Returns:
            The stage results of the network, each (N, 3, H, W).
        """
        folded = F.pixel_unshuffle(x, self.factor)
        tile = current_tile()
        if tile is None:
            results = self.network(folded)
        else:
            with within(self._folded(tile)):
                results = self.network(folded)
        return [F.pixel_shuffle(result, self.factor) for result in results]

    def _folded(self, tile: Tile) -> Tile:
        """Return the tile in pixels of the folded image."""

        def divided(part: slice) -> slice:
            return slice(part.start // self.factor, -(-part.stop // self.factor))

        height, width = (-(-side // self.factor) for side in tile.picture)
        parts = (tile.rows, tile.columns, tile.core_rows, tile.core_columns)
        return Tile(*map(divided, parts), picture=(height, width))
