"""MAFNet: Zhang et al., "Multifocal Attention-Based Cross-Scale Network for Image De-raining", ACM MM 2021.

Written from the paper. Where it leaves a choice open, ours is listed in :class:`MAFNet`.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import conv1x1, conv3x3, maybe_checkpoint

ANCHOR_GRIDS = (1, 3, 6, 8)
SLOPE = 0.2
#: The orthonormal Haar wavelet: (band, row, column), bands LL, HL (differences along x), LH (along y), HH.
HAAR = torch.tensor([[[1, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]) / 2


def pool_anchors(x: Tensor) -> Tensor:
    """SPP: averages over grids of 1x1, 3x3, 6x6 and 8x8, (..., C, H, W) -> (..., C, 110)."""
    maps = x.flatten(0, -4)
    pooled = torch.cat([F.adaptive_avg_pool2d(maps, grid).flatten(2) for grid in ANCHOR_GRIDS], dim=2)
    return pooled.view(*x.shape[:-2], pooled.shape[-1])


class SpatialAttention(nn.Module):
    """Spatial CSSAB (Eqs. 3 to 5): pixels of the larger scale attend to anchors of the smaller one, band by band."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = conv1x1(channels, channels)
        self.key = conv1x1(channels, channels)
        self.value = conv1x1(channels, channels)
        self.out = conv1x1(channels, channels)
        self.register_buffer('wavelet', HAAR.clone(), persistent=False)

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        """large (N, C, H, W), small (N, C, h, w), even sides -> (N, C, H, W)."""
        n, c, height, width = large.shape
        # Pixels of a 2x2 block in turn, block after block; each with its bands beside each other.
        q = to_bands(self.query, self.wavelet, large).permute(0, 2, 3, 1)
        q = q.reshape(n, height * width, 4, c // 4).transpose(1, 2)
        k, v = (pool_anchors(rearranged(to_bands(conv, self.wavelet, small))) for conv in (self.key, self.value))
        # Bands stand where attention heads usually do; the paper has no scaling. Contiguous rows, or torch falls back
        # to a slower kernel that keeps the maps.
        k, v = (t.transpose(2, 3).contiguous() for t in (k, v))
        attended = F.scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2)
        del q
        blocks = attended.reshape(n, height // 2, width // 2, 2, 2, c).transpose(2, 3)
        # (N, H, W, C) in memory: channels_last.
        mixed = blocks.reshape(n, height, width, c).permute(0, 3, 1, 2)
        del attended, blocks
        return self.out(mixed).add_(large)


def to_bands(conv: nn.Conv2d, wavelet: Tensor, x: Tensor) -> Tensor:
    """FRCB: a 1x1 convolution and one level of the Haar wavelet in one convolution of stride 2, its kernel put together
    here.

    Args:
        wavelet: :data:`HAAR`.
        x: (N, C, H, W), sides even.

    Returns:
        (N, 4 C, H / 2, W / 2), the channels in the order (place in the 2x2 block, band, channel of the group).
    """
    # Of the convolution's channels, number 4 c + place becomes the place in the block.
    kernel = torch.einsum('brk,cpi->pbcirk', wavelet, conv.weight.flatten(1).unflatten(0, (-1, 4)))
    # As a product of two rows, not as a view of a table: torch's compiler for CPUs takes no view for a bias.
    of_band = wavelet.sum((1, 2)).repeat_interleave(conv.out_channels // 4)
    bias = of_band.repeat(4) * conv.bias.unflatten(0, (-1, 4)).T.repeat(1, 4).flatten()
    return F.conv2d(x, kernel.flatten(0, 2), bias, stride=2)


def rearranged(bands: Tensor) -> Tensor:
    """Each band of :func:`to_bands` brought back to full size by pixel-shuffle: (N, 4, C / 4, H, W)."""
    n, _, h, w = bands.shape
    return bands.view(n, 2, 2, 4, -1, h, w).permute(0, 3, 4, 5, 1, 6, 2).reshape(n, 4, -1, 2 * h, 2 * w)


class ChannelAttention(nn.Module):
    """Channel CSSAB (Eq. 6): channels of the larger scale are mixed by their likeness to those of the smaller one."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'MAFNet: {channels} channels cannot be split into {num_heads} heads')
        self.num_heads = num_heads
        self.query = conv1x1(channels, channels)
        self.key = conv1x1(channels, channels)
        self.value = conv1x1(channels, channels)

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        """large (N, C, H, W), small (N, C, h, w) -> (N, C, H, W)."""
        # Pooling to the anchors first is the same (both are linear, and averages of a bias are the bias) and cheaper.
        q = project_anchors(self.query, pool_anchors(large)).unflatten(1, (self.num_heads, -1))
        k = project_anchors(self.key, pool_anchors(small)).unflatten(1, (self.num_heads, -1))
        # (N, heads, C / heads of k, C / heads of q), every column a mixture of value channels.
        mix = torch.softmax(k @ q.transpose(-1, -2), dim=-2)
        # To mix the values' channels is a 1x1 convolution after a 1x1 convolution: one, with a kernel for each picture.
        of_value = torch.cat([self.value.weight.flatten(1), self.value.bias[:, None]], dim=1)
        mixing = (mix.transpose(-1, -2) @ of_value.unflatten(0, (self.num_heads, -1))).flatten(1, 2)
        kernels, biases = mixing[..., :-1, None, None], mixing[..., -1]
        mixed = [F.conv2d(x[None], kernel, b) for x, kernel, b in zip(large, kernels, biases, strict=True)]
        return torch.cat(mixed).add_(large) if len(mixed) > 1 else mixed[0].add_(large)


def project_anchors(conv: nn.Conv2d, anchors: Tensor) -> Tensor:
    """A 1x1 convolution of (N, C, S)."""
    return F.conv1d(anchors, conv.weight.squeeze(-1), conv.bias)


class ConvInteraction(nn.Module):
    """The row "by convolution" of Table 1: a 3x3 convolution of both scales, added to the larger."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv3x3(2 * channels, channels)

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        return large + self.conv(torch.cat([large, upsample_to(large, small)], dim=1))


class NoInteraction(nn.Module):
    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        return large


def upsample_to(large: Tensor, small: Tensor) -> Tensor:
    """Bilinear, to the size of ``large``."""
    if small.shape[-2:] == large.shape[-2:]:
        return small
    return F.interpolate(small, large.shape[-2:], mode='bilinear', align_corners=False)


class CrossScale(nn.Module):
    """One interaction a scale, between it and the next coarser one; the coarsest interacts with itself."""

    def __init__(self, make: Callable[[], nn.Module], num_scales: int, isolated: bool, coarse_to_fine: bool) -> None:
        super().__init__()
        self.interactions = nn.ModuleList(make() for _ in range(num_scales))
        self.isolated = isolated
        self.coarse_to_fine = coarse_to_fine

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        """Features, finest first -> the same, enhanced; coarse to fine, a scale reads the coarser one's result."""
        out = list(scales)
        for s in reversed(range(len(scales))):
            source = out if self.coarse_to_fine else scales
            coarser = scales[s] if self.isolated else source[min(s + 1, len(scales) - 1)]
            out[s] = self.interactions[s](scales[s], coarser)
        return out


class BasicModule(nn.Module):
    """Attention-based basic module: channel interaction at half size, long skip, spatial interaction."""

    def __init__(self, channels: int, channel: CrossScale, spatial: CrossScale, num_scales: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(conv3x3(channels, channels, stride=2), nn.LeakyReLU(SLOPE, inplace=True))
            for _ in range(num_scales)
        )
        self.channel = channel
        self.up = nn.ModuleList(
            nn.Sequential(conv3x3(channels, 4 * channels), nn.PixelShuffle(2), nn.LeakyReLU(SLOPE, inplace=True))
            for _ in range(num_scales)
        )
        self.spatial = spatial

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        halved = self.channel([down(x) for down, x in zip(self.down, scales, strict=True)])
        lifted = [x + up(y) for up, x, y in zip(self.up, scales, halved, strict=True)]
        del halved
        return self.spatial(lifted)


class Pyramid(nn.Module):
    """The rainy picture at scales 1, 1/2, 1/4: by learnt 3x3 kernels, a fixed Gaussian, or plain bilinear."""

    def __init__(self, kind: str, num_scales: int, image_channels: int = 3) -> None:
        super().__init__()
        if kind not in ('adaptive', 'gaussian', 'bilinear'):
            raise ValueError(f"MAFNet: pyramid must be 'adaptive', 'gaussian' or 'bilinear', found {kind!r}")
        self.num_scales = num_scales
        self.kernels = nn.ParameterList()
        if kind != 'bilinear':
            line = torch.exp(-(torch.arange(-1.0, 2.0) ** 2) / 2)  # sigma 1
            gaussian = line[:, None] * line[None] / line.sum() ** 2
            start = torch.eye(image_channels)[:, :, None, None] * gaussian
            learn = kind == 'adaptive'
            self.kernels.extend(nn.Parameter(start.clone(), requires_grad=learn) for _ in range(num_scales - 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = [x]
        for s in range(self.num_scales - 1):
            if len(self.kernels):
                levels.append(F.conv2d(levels[-1], self.kernels[s], stride=2, padding=1))
            else:
                levels.append(F.interpolate(levels[-1], scale_factor=0.5, mode='bilinear', align_corners=False))
        return levels


@MODELS.register_module()
class MAFNet(BaseModule):
    """Multifocal attention-based cross-scale network.

    Args:
        channels: "kernels", 64 in the paper; 32 and 96 in its Table 4. A multiple of 4 and of ``num_heads``.
        num_modules: 8 in the paper; 6 to 10 in its Table 3.
        num_heads: of the channel attention, 4 in the paper; 1 to 16 in its Table 2.
        pyramid: ``'adaptive'`` (learnt kernels), ``'gaussian'`` or ``'bilinear'`` (Table 1).
        interaction: between scales (Table 1): ``'both'`` attentions, ``'spatial'`` or ``'channel'`` only, ``'conv'``
            in their place, or ``'none'``: every scale attends to itself.
        image_channels: channels of the image, 3; more behind :class:`PixelUnshuffled`.
        with_cp: less memory in training: a module's insides are computed again in the backward pass.
        init_cfg: mmengine's weight initialisation.

    The paper fixes three scales, the pyramid's learnable kernels, the two attentions with their Haar bands and 110
    anchors, the order of a basic module, and ``B = O - R``. It leaves open, and we chose:

    * sides a multiple of 8; weights shared neither between scales nor between modules;
    * pyramid kernels 3x3, 3 -> 3, stride 2, no bias, starting from a Gaussian of sigma 1 for each channel;
    * entrance without activation; 1x1 convolutions for queries, keys and values, and after the spatial attention, but
      not after the channel one; the orthonormal Haar wavelet, and no inverse of it;
    * down by a 3x3 convolution of stride 2, up by a 3x3 convolution to four times the channels and pixel-shuffle,
      leaky ReLU 0.2 after each;
    * spatial attention from the coarsest scale up, a finer one reading the coarser one's result; channel attention
      reads the features as they entered;
    * softmax of the channel attention over the channels that the values are mixed from;
    * fusion by bilinear upsampling, 3x3 to ``channels`` with leaky ReLU 0.2, 3x3 to 3.

    Parameters at the defaults: 5,298,085.
    """

    channel_order = 'rgb'
    min_size = 8
    size_multiple = 8  # two halvings, one inside a module, and Haar's at the coarsest scale (1/8 of the sides)

    def __init__(
        self,
        channels: int = 64,
        num_modules: int = 8,
        num_heads: int = 4,
        pyramid: str = 'adaptive',
        interaction: str = 'both',
        image_channels: int = 3,
        with_cp: bool = False,
        init_cfg: dict | Sequence[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        kinds = ('both', 'spatial', 'channel', 'conv', 'none')
        if interaction not in kinds:
            raise ValueError(f'MAFNet: interaction must be one of {kinds}, found {interaction!r}')
        if channels % 4:
            raise ValueError(f'MAFNet: channels must be a multiple of 4 (four Haar bands), found {channels}')
        num_scales = 3
        self.with_cp = with_cp
        self.bytes_per_pixel = 48 * channels

        def spatial() -> nn.Module:
            if interaction == 'conv':
                return ConvInteraction(channels)
            return NoInteraction() if interaction == 'channel' else SpatialAttention(channels)

        def channel() -> nn.Module:
            if interaction == 'conv':
                return ConvInteraction(channels)
            return NoInteraction() if interaction == 'spatial' else ChannelAttention(channels, num_heads)

        def cross(make: Callable[[], nn.Module], coarse_to_fine: bool) -> CrossScale:
            return CrossScale(make, num_scales, interaction == 'none', coarse_to_fine)

        self.pyramid = Pyramid(pyramid, num_scales, image_channels)
        self.enter = nn.ModuleList(conv3x3(image_channels, channels) for _ in range(num_scales))
        self.enter_spatial = cross(spatial, True)
        self.body = nn.Sequential(
            *(
                BasicModule(channels, cross(channel, False), cross(spatial, True), num_scales)
                for _ in range(num_modules)
            )
        )
        self.fuse = conv3x3(num_scales * channels, channels)
        self.leave = conv3x3(channels, image_channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy pictures (N, 3, H, W), RGB in [0, 1], H and W multiples of 8.

        Returns:
            One result, (N, 3, H, W).
        """
        scales = [conv(level) for conv, level in zip(self.enter, self.pyramid(x), strict=True)]
        scales = self.enter_spatial(scales)
        for module in self.body:
            scales = maybe_checkpoint(module, scales, enabled=self.with_cp)
        fused = self.fuse(torch.cat([upsample_to(scales[0], scale) for scale in scales], dim=1))
        return [x - self.leave(F.leaky_relu(fused, SLOPE))]
