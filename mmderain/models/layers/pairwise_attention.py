import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .conv import conv1x1


class PairwiseSelfAttention(nn.Module):
    """Pairwise self-attention over a window (Zhao et al., CVPR 2020), as JDNet uses it.

    A pixel's weight on each neighbour follows from the difference of their features and of their positions::

        logit_ij = w . lrelu([q_i - k_j ; p_i - p_j]) + b,   y_i = sum_j softmax_j(logit_ij) v_j

    Outside the picture neighbours are reflected. The authors apply two 1x1 convolutions in a row where w stands; their
    product is w. A loop over the window's shifts works on views, so that nothing of size window x picture but the
    weights is ever held; rows are taken in chunks, which bounds that too.

    Args:
        in_channels: of the input.
        relation_channels: of q, k and of what the relation is reduced to in between.
        out_channels: of v and of the result.
        window: side of the square footprint, odd.
        slope: of the leaky ReLU.
        chunk_pixels: pixels (of one picture, whole rows) whose weights are held at once: 49 x 4 bytes each and the
            batch at the default window.
        recompute: in training, compute the weights again in the backward pass instead of keeping them.
    """

    def __init__(
        self,
        in_channels: int,
        relation_channels: int,
        out_channels: int,
        window: int = 7,
        slope: float = 0.2,
        chunk_pixels: int = 2**17,
        recompute: bool = True,
    ) -> None:
        super().__init__()
        self.query = conv1x1(in_channels, relation_channels)
        self.key = conv1x1(in_channels, relation_channels)
        self.value = conv1x1(in_channels, out_channels)
        self.position = conv1x1(2, 2)
        self.reduce = conv1x1(relation_channels + 2, relation_channels, bias=False)
        self.weigh = conv1x1(relation_channels, 1)
        self.window = window
        self.slope = slope
        self.chunk_pixels = chunk_pixels
        self.recompute = recompute

    @property
    def min_size(self) -> int:
        """The least side of a picture: reflection needs one pixel more than it pads."""
        return self.window // 2 + 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W), sides of at least ``min_size`` -> (N, out_channels, H, W)."""
        height, width = x.shape[-2:]
        # Planes, not pixels: the loop below works on single channels.
        q, k, v = (conv(x).contiguous() for conv in (self.query, self.key, self.value))
        p = self.position(position_grid(height, width, x))
        margin = self.window // 2
        k, v, p_around = (F.pad(t, (margin,) * 4, mode='reflect') for t in (k, v, p))
        # (1, relation_channels + 2): the two convolutions in a row.
        w = (self.weigh.weight.flatten(1) @ self.reduce.weight.flatten(1)).view(1, -1, 1, 1)

        rows = max(1, self.chunk_pixels // width)
        chunks = []
        for top in range(0, height, rows):
            end = min(top + rows, height)
            inner, around = slice(top, end), slice(top, end + 2 * margin)
            pieces = (q[:, :, inner], k[:, :, around], v[:, :, around], p[:, :, inner], p_around[:, :, around])
            if self.recompute and torch.is_grad_enabled():
                chunks.append(checkpoint(self._attend, *pieces, w, self.weigh.bias, use_reentrant=False))
            else:
                chunks.append(self._attend(*pieces, w, self.weigh.bias))
        return chunks[0] if len(chunks) == 1 else torch.cat(chunks, dim=2)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, p: Tensor, p_around: Tensor, w: Tensor, b: Tensor) -> Tensor:
        """A chunk of rows: q, p (., ., h, W); k, v, p_around (., ., h + window - 1, W + window - 1)."""
        height, width = q.shape[-2:]
        w_feature, w_position = w[:, : q.shape[1]], w[:, q.shape[1] :]

        def shifts(around: Tensor) -> list[Tensor]:
            return [
                around[:, :, dy : dy + height, dx : dx + width]
                for dy in range(self.window)
                for dx in range(self.window)
            ]

        logits = []
        for k_j, p_j in zip(shifts(k), shifts(p_around), strict=True):
            # Positions are the same for all pictures of the batch, so their term is computed once.
            of_position = (F.leaky_relu(p - p_j, self.slope) * w_position).sum(1) + b
            of_feature = (F.leaky_relu(q - k_j, self.slope) * w_feature).sum(1)
            logits.append(of_feature + of_position)
        weights = torch.softmax(torch.stack(logits, dim=1), dim=1)
        out = 0
        for j, v_j in enumerate(shifts(v)):
            out = out + weights[:, j : j + 1] * v_j
        return out


def position_grid(height: int, width: int, like: Tensor) -> Tensor:
    """(1, 2, H, W) of ``like``'s dtype and device: x, then y, each from -1 to 1 over the whole picture."""
    x = torch.linspace(-1, 1, width, dtype=like.dtype, device=like.device)
    y = torch.linspace(-1, 1, height, dtype=like.dtype, device=like.device)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]
