"""Pairwise self-attention over a window (JDNet)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..tiling import Tile
from .conv import bias_of, conv1x1
from .window_attention import window_attention
from .window_geometry import coordinates


class PairwiseSelfAttention(nn.Module):
    """Pairwise self-attention over a window (Zhao et al., CVPR 2020), as JDNet uses it.

    The weight of the neighbor j for a pixel i depends on the differences of their features and of their positions::

        logit_ij = w . lrelu([q_i - k_j ; p_i - p_j]) + b,   y_i = sum_j softmax_j(logit_ij) v_j

    In the JDNet paper (Section 3.2, Eqs. 2 to 4), the convolutions for q, k and v are called phi, psi and beta. The
    text of the paper mentions neither the positions p nor the softmax. In place of w, the authors apply two 1x1
    convolutions, one after the other; w is the product of their weights. Outside the image, the neighbors are pixels
    of the reflected image.

    The plain form (tests/reference) unfolds 49 neighbors of each pixel. This class computes the same result as follows:

    * The leaky ReLU is written as ``lrelu(d) = (1 + slope) / 2 d + (1 - slope) / 2 |d|``. Terms that are equal for all
      neighbors of a pixel do not change the softmax, and are left out. Two terms of the features remain: a term of
      ``|q_i - k_j|``, and a term of k_j alone.
    * The position term depends only on the place of the neighbor in the window, and on the distance of the pixel to the
      border of the image. It is therefore computed only for the few cases of :mod:`.window_geometry`.
    * :func:`~mmderain.models.layers.window_attention.window_attention` computes the softmax and the sum.

    All steps after the convolutions for q, k and v are computed in float32 or float64, even if the model or autocast
    uses half precision.

    Args:
        in_channels: number of input channels.
        relation_channels: number of channels of q and of k. The first of the two 1x1 convolutions in place of w has the
            same number of output channels.
        out_channels: number of channels of v and of the result.
        window: side of the window in pixels, odd.
        slope: negative slope of the leaky ReLU.
        backend: ``'torch'``, or ``'triton'`` for the Triton kernels, which need an NVIDIA GPU.
    """

    def __init__(
        self,
        in_channels: int,
        relation_channels: int,
        out_channels: int,
        window: int = 7,
        slope: float = 0.2,
        backend: str = 'torch',
    ) -> None:
        super().__init__()
        if backend not in ('torch', 'triton'):
            raise ValueError(f"attention_backend must be 'torch' or 'triton', found {backend!r}")
        self.query = conv1x1(in_channels, relation_channels)
        self.key = conv1x1(in_channels, relation_channels)
        self.value = conv1x1(in_channels, out_channels)
        self.position = conv1x1(2, 2)
        self.reduce = conv1x1(relation_channels + 2, relation_channels, bias=False)
        self.logit = conv1x1(relation_channels, 1)
        self.window = window
        self.slope = slope
        self.backend = backend

    def forward(self, x: Tensor, tile: Tile | None = None) -> Tensor:
        """Apply the attention.

        Args:
            x: (N, in_channels, H, W). H and W must be larger than ``window // 2``, because a reflection of n pixels
                needs a side of at least n + 1 pixels.
            tile: the part of the image that x contains; None if x contains whole images.

        Returns:
            (N, out_channels, H, W).
        """
        height, width = x.shape[-2:]
        convs = (self.query, self.key, self.value)
        # One convolution with the stacked weights reads x once. Three convolutions would take twice as long.
        weight, bias = (torch.cat(parts) for parts in zip(*((conv.weight, bias_of(conv)) for conv in convs)))
        qkv = F.conv2d(x, weight, bias)
        dtype = qkv.dtype
        with torch.autocast(x.device.type, enabled=False):
            # The attention processes one channel after the other, so each channel must be contiguous in memory.
            qkv = qkv.to(torch.promote_types(dtype, torch.float32)).contiguous()
            q, k, v = qkv.split([conv.out_channels for conv in convs], dim=1)
            q = q.clone(memory_format=torch.contiguous_format)  # in training, a view of qkv would keep all of qkv
            # (relation_channels + 2,): the product of the two convolutions.
            w = (self.logit.weight.flatten(1) @ self.reduce.weight.flatten(1))[0].to(q.dtype)
            w_feature, w_position = w[: q.shape[1]], w[q.shape[1] :]
            key_term = -(1 + self.slope) / 2 * torch.einsum('nchw,c->nhw', k, w_feature)[:, None]
            surroundings = F.pad(torch.cat([key_term, k, v], dim=1), (self.window // 2,) * 4, mode='reflect')
            whole = (height, width) if tile is None else tile.image_size
            position_term = self._position_term((height, width), whole, w_position)
            w_abs = (1 - self.slope) / 2 * w_feature
            y = window_attention(q, surroundings, position_term, w_abs, self.window, self.backend)
        # The result gets the memory layout of x, because later layers add both tensors. A sum of two tensors with
        # different memory layouts takes ten times as long.
        layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        return y.to(dtype, memory_format=layout)

    def _position_term(self, size: tuple[int, int], whole: tuple[int, int], w: Tensor) -> Tensor:
        """Return ``w . lrelu(p_i - p_j) + b`` for each neighbor and each case of :mod:`.window_geometry`.

        Args:
            size: height and width of the features.
            whole: height and width of the whole image. In each direction, the coordinate is -1 at its first pixel and 1
                at its last pixel.
            w: weights of the two position channels, (2,).

        Returns:
            (window, window, row cases, column cases).
        """
        margin = self.window // 2
        y, y_around = coordinates(size[0], margin, w, whole[0])  # (cases,), (window, cases)
        x, x_around = coordinates(size[1], margin, w, whole[1])
        here = torch.stack(torch.meshgrid(x, y, indexing='xy'))
        there = torch.stack(torch.broadcast_tensors(x_around[None, :, None, :], y_around[:, None, :, None]), dim=0)
        # Use the precision of w, because in half precision, two neighbors can have equal coordinates.
        weight, bias = self.position.weight.to(w.dtype), bias_of(self.position).to(w.dtype)
        p_here = F.conv2d(here[None], weight, bias)[0]
        p_there = F.conv2d(there.reshape(1, 2, self.window**2, -1), weight, bias).view(there.shape)
        relation = F.leaky_relu(p_here[:, None, None] - p_there, self.slope)
        return (relation * w.view(-1, 1, 1, 1, 1)).sum(0) + bias_of(self.logit).to(w.dtype)
