"""Plain formulation of MAFNet: Zhang et al., ACM MM 2021.

The fast network (``mmderain/models/networks/mafnet.py``) composes 1x1 convolutions with the wavelet, pools before it
projects, and mixes channels inside a kernel. Here keys and values are computed for every pixel and then pooled, and the
attention maps are computed explicitly. This formulation supports all keywords of MAFNet.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmderain.models import MAFNet
from mmderain.models.layers import ImagePyramid, pool_anchors
from mmderain.models.networks import mafnet


def lrelu(x: Tensor) -> Tensor:
    """Apply a leaky ReLU with a negative slope of 0.2."""
    return F.leaky_relu(x, mafnet.SLOPE)


class PlainMAFNet(MAFNet):
    """MAFNet, step by step."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch; see :meth:`MAFNet.forward` for argument and result."""
        x = x.contiguous()
        scales = [conv(level) for conv, level in zip(self.conv_in, pyramid(self.pyramid, x), strict=True)]
        scales = interact(self.spatial_in, scales)
        for module in self.body:
            halved = [lrelu(down[0](t)) for down, t in zip(module.down, scales, strict=True)]
            halved = interact(module.channel, halved)
            grown = [upsample(up, t) for up, t in zip(module.up, halved, strict=True)]
            scales = [t + y for t, y in zip(scales, grown, strict=True)]
            scales = interact(module.spatial, scales)
        fused = lrelu(self.fuse(torch.cat([mafnet.upsample_to(scales[0], scale) for scale in scales], dim=1)))
        rain = self.conv_out(fused)
        return [x - rain]


def pyramid(part: ImagePyramid, x: Tensor) -> list[Tensor]:
    """Return the levels of the pyramid, finest first (Eq. 2)."""
    levels = [x]
    for _ in range(part.num_levels - 1):
        if len(part.kernels):
            levels.append(halve(levels[-1], part.kernels[len(levels) - 1], part.padding))
        else:  # the mean of 2x2 pixels
            levels.append(sum(levels[-1][..., i::2, j::2] for i in range(2) for j in range(2)) / 4)
    return levels


def halve(x: Tensor, kernel: Tensor, padding: str) -> Tensor:
    """Pad the image on each side, convolve it with a kernel, and keep every second row and column."""
    margin = kernel.shape[-1] // 2
    continued = F.pad(x, [margin] * 4, mode='reflect' if padding == 'reflect' else 'constant')
    return F.conv2d(continued, kernel)[..., ::2, ::2]


def upsample(up: nn.Sequential, x: Tensor) -> Tensor:
    """Upsample by two: a pixel-shuffle and a convolution, in the order of ``up``, and then a leaky ReLU."""
    if isinstance(up[0], nn.PixelShuffle):
        return lrelu(up[1](F.pixel_shuffle(x, 2)))
    return lrelu(F.pixel_shuffle(up[0](x), 2))


def interact(cross: mafnet.CrossScale, scales: list[Tensor]) -> list[Tensor]:
    """Let each scale interact with the next coarser scale, and the coarsest scale with itself.

    The scales are in the order from fine to coarse. If ``cross.isolated`` is True, each scale interacts with itself.
    """
    out = list(scales)
    for s in reversed(range(len(scales))):
        source = out if cross.coarse_to_fine else scales
        coarser = scales[s] if cross.isolated else source[min(s + 1, len(scales) - 1)]
        part = cross.interactions[s]
        if isinstance(part, mafnet.SpatialAttention):
            out[s] = spatial_attention(part, scales[s], coarser)
        elif isinstance(part, mafnet.ChannelAttention):
            out[s] = channel_attention(part, scales[s], coarser)
        else:  # an interaction of the ablations
            out[s] = part(scales[s], coarser)
    return out


def haar(x: Tensor) -> Tensor:
    """Apply one level of the orthonormal Haar wavelet.

    Args:
        x: (N, C, H, W), H and W even.

    Returns:
        (N, 4, C, H / 2, W / 2): the bands LL, HL (differences along x), LH (along y), HH.
    """
    a, b = x[..., ::2, ::2], x[..., ::2, 1::2]
    c, d = x[..., 1::2, ::2], x[..., 1::2, 1::2]
    return torch.stack([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], dim=1) / 2


def rearrange_bands(x: Tensor) -> Tensor:
    """Bring each Haar band back to full size by pixel-shuffle (the paper's feature re-calibrated block, FRCB).

    Args:
        x: (N, C, H, W), H and W even, C a multiple of 4.

    Returns:
        (N, 4, C / 4, H, W). The second axis is the band: LL, HL, LH, HH.
    """
    return F.pixel_shuffle(haar(x), 2)


def spatial_attention(part: mafnet.SpatialAttention, large: Tensor, small: Tensor) -> Tensor:
    """Let the pixels of the larger scale attend to the anchors of the smaller scale, in each band (Eqs. 3 to 5)."""
    q = rearrange_bands(part.query(large))
    k = pool_anchors(rearrange_bands(part.key(small)))
    v = pool_anchors(rearrange_bands(part.value(small)))
    per_pixel = q.flatten(3).transpose(2, 3)  # (N, bands, H W, C / 4)
    weights = torch.softmax(per_pixel @ k, dim=-1)  # over 110 anchors, no scaling
    attended = (weights @ v.transpose(2, 3)).transpose(2, 3).reshape(large.shape)
    return large + part.out(attended)


def channel_attention(part: mafnet.ChannelAttention, large: Tensor, small: Tensor) -> Tensor:
    """Mix the channels of the larger scale by their similarity to the channels of the smaller scale (Eq. 6)."""
    q = pool_anchors(part.query(large)).unflatten(1, (part.num_heads, -1))
    k = pool_anchors(part.key(small)).unflatten(1, (part.num_heads, -1))
    v = part.value(large).flatten(2).unflatten(1, (part.num_heads, -1))
    mix = torch.softmax(k @ q.transpose(-1, -2), dim=-2)  # rows are the channels of k
    return large + (mix.transpose(-1, -2) @ v).reshape(large.shape)
