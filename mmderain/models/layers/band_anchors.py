"""Keys and values of MAFNet's spatial attention, computed from anchors of the features."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .anchors import ANCHOR_GRIDS, anchor_cells
from .conv import bias_of


def conv1x1_band_anchors(x: Tensor, convs: Sequence[nn.Conv2d], wavelet: Tensor) -> list[Tensor]:
    """Return the anchors of the wavelet bands, for each of several 1x1 convolutions.

    The plain form applies the convolution, the Haar wavelet, the pixel-shuffle and :func:`pool_anchors`, one after the
    other.

    All steps are linear, so their order can change. The plain form makes maps of full size for each convolution. This
    function first sums the features over the cells of the anchor grids, and applies the wavelet and the convolutions to
    these sums. In the plain form, a pixel-shuffle takes the four pixels of a 2x2 block from different channels of the
    convolution. Therefore the sums are separate for the pixels of each place (r, s) in a block, and for the input
    pixels of each place (u, v) in a block of the wavelet.

    The sums are computed in float32 or float64, even under autocast, because three of the four bands are differences
    of sums that are nearly equal.

    Args:
        x: (N, C, H, W) with even H and W.
        convs: 1x1 convolutions with bias; their numbers of output channels are multiples of four.
        wavelet: :data:`~mmderain.models.layers.haar.HAAR`.

    Returns:
        For each convolution, its anchors (N, 4, 110, out / 4) with the dimensions (image, band, anchor, map).
    """
    with torch.autocast(x.device.type, enabled=False):
        dtype = torch.promote_types(x.dtype, torch.float32)
        sums, pixels = _block_sums(x.to(dtype))
        cells = pixels.sum((1, 2))[:, None, None]  # number of pixels in each cell
        wavelet = wavelet.to(dtype)
        of_features = torch.einsum('buv,nauvrsc->nbarsc', wavelet, sums / cells[..., None, None, None]).flatten(3)
        of_one = torch.einsum('buv,ars->bars', wavelet, pixels / cells).flatten(2)
        # The bias has the constant 1 as its input.
        anchors = torch.cat([of_features, of_one.expand(x.shape[0], -1, -1, -1)], dim=-1)
        results = []
        for conv in convs:
            # Row c of the weights: the output channels 4 c to 4 c + 3 of the convolution, one for each place (r, s).
            weight = conv.weight.flatten(1).unflatten(0, (-1, 4)).flatten(1)
            weight_and_bias = torch.cat([weight, bias_of(conv).unflatten(0, (-1, 4))], dim=1)
            results.append(F.linear(anchors, weight_and_bias.to(dtype)))
    return results


def _block_sums(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sum pixels over the cells of the anchor grids, separately for the places in 2x2 blocks.

    Args:
        x: (N, C, H, W) with even H and W.

    Returns:
        The sums (N, 110, u, v, r, s, C) and the numbers of their terms (110, r, s), all of u, v, r and s of size 2. A
        sum contains the pixel (u, v) of each block whose pixel (r, s) belongs to the cell.
    """
    n, channels, height, width = x.shape
    rows, columns = (
        # (2, 18, blocks): for each place in a block and each cell of a line, the blocks in which it is in the cell.
        anchor_cells(side, x.device).to(x.dtype).unflatten(1, (-1, 2)).permute(2, 0, 1)
        for side in (height, width)
    )
    pixels = x.permute(0, 2, 3, 1).reshape(n, height // 2, 2, width * channels).transpose(1, 2)
    along_y = rows.flatten(0, 1).expand(n, 2, -1, -1) @ pixels  # (N, u, (r, cell), (column, C))
    along_y = along_y.view(n, 2, 2, -1, width // 2, 2 * channels)
    sums, terms = [], []
    splits = (along_y.split(ANCHOR_GRIDS, 3), rows.split(ANCHOR_GRIDS, 1), columns.split(ANCHOR_GRIDS, 1))
    for part, of_rows, of_columns in zip(*splits, strict=True):
        side = part.shape[3]
        # (N, u, r, row of cells, (s, column of cells), (v, C)). With expand(), torch does not transpose the features.
        both = of_columns.flatten(0, 1).expand(n, 2, 2, side, -1, -1) @ part
        both = both.view(n, 2, 2, side, 2, side, 2, channels)
        sums.append(both.permute(0, 3, 5, 1, 6, 2, 4, 7).flatten(1, 2))
        terms.append(torch.einsum('ray,sbx->abrs', of_rows, of_columns).flatten(0, 1))
    return torch.cat(sums, dim=1), torch.cat(terms)
