"""MAFNet: Zhang et al., "Multifocal Attention-Based Cross-Scale Network for Image De-raining", ACM MM 2021.

This code was written from the paper. The docstring of :class:`MAFNet` lists the choices that the paper leaves open.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import (
    HAAR,
    band_maps,
    band_pixels,
    conv1x1,
    conv1x1_haar,
    conv3x3,
    maybe_checkpoint,
    merge_band_pixels,
    mix_conv1x1,
)
from ..spec import NetworkSpec

ANCHOR_GRIDS = (1, 3, 6, 8)
SLOPE = 0.2


def pool_anchors(x: Tensor) -> Tensor:
    """SPP: return averages over grids of 1x1, 3x3, 6x6 and 8x8, (..., C, H, W) -> (..., C, 110)."""
    maps = x.flatten(0, -4)
    pooled = torch.cat([F.adaptive_avg_pool2d(maps, grid).flatten(2) for grid in ANCHOR_GRIDS], dim=2)
    return pooled.view(*x.shape[:-2], pooled.shape[-1])


class SpatialAttention(nn.Module):
    """Spatial CSSAB (Eqs. 3 to 5): pixels of the larger scale attend to anchors of the smaller one, band by band."""

    wavelet: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = conv1x1(channels, channels)
        self.key = conv1x1(channels, channels)
        self.value = conv1x1(channels, channels)
        self.out = conv1x1(channels, channels)
        self.register_buffer('wavelet', HAAR.clone(), persistent=False)

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        """Return (N, C, H, W) from large (N, C, H, W) and small (N, C, h, w), all sides even."""
        # FRCB: a wavelet whose four bands are brought back to full size by pixel-shuffle.
        q = band_pixels(conv1x1_haar(large, self.query, self.wavelet))
        # SPP: anchors of the smaller scale.
        k = pool_anchors(band_maps(conv1x1_haar(small, self.key, self.wavelet)))
        v = pool_anchors(band_maps(conv1x1_haar(small, self.value, self.wavelet)))
        # Contiguous rows, or torch takes a slower kernel that keeps the attention maps.
        k, v = k.transpose(2, 3).contiguous(), v.transpose(2, 3).contiguous()
        # The bands take the place of attention heads; the paper does not scale.
        attended = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        del q
        return self.out(merge_band_pixels(attended, *large.shape[-2:])).add_(large)


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
        """Return (N, C, H, W) from large (N, C, H, W) and small (N, C, h, w)."""
        # SPP before the 1x1 convolutions: both are linear, so the order makes no difference but to the cost.
        q = conv1x1_anchors(pool_anchors(large), self.query).unflatten(1, (self.num_heads, -1))
        k = conv1x1_anchors(pool_anchors(small), self.key).unflatten(1, (self.num_heads, -1))
        # (N, heads, channels of k, channels of q): each column is a mixture of the channels of v.
        mix = torch.softmax(k @ q.transpose(-1, -2), dim=-2)
        return mix_conv1x1(large, self.value, mix).add_(large)


def conv1x1_anchors(anchors: Tensor, conv: nn.Conv2d) -> Tensor:
    """Apply a 1x1 convolution to anchors, (N, C, S) -> (N, out, S)."""
    return F.conv1d(anchors, conv.weight.squeeze(-1), conv.bias)


class ConvInteraction(nn.Module):
    """Row "by convolution" of Table 1: a 3x3 convolution of both scales, added to the larger."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv3x3(2 * channels, channels)

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        """Return (N, C, H, W) from large (N, C, H, W) and small (N, C, h, w)."""
        return large + self.conv(torch.cat([large, upsample_to(large, small)], dim=1))


class NoInteraction(nn.Module):
    """Return the larger scale unchanged."""

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        """Return ``large``."""
        return large


def upsample_to(large: Tensor, small: Tensor) -> Tensor:
    """Upsample a map bilinearly to the size of ``large``."""
    if small.shape[-2:] == large.shape[-2:]:
        return small
    return F.interpolate(small, large.shape[-2:], mode='bilinear', align_corners=False)


class CrossScale(nn.Module):
    """Let each scale interact with the next coarser one; the coarsest interacts with itself."""

    def __init__(self, make: Callable[[], nn.Module], num_scales: int, isolated: bool, coarse_to_fine: bool) -> None:
        super().__init__()
        self.interactions = nn.ModuleList(make() for _ in range(num_scales))
        self.isolated = isolated
        self.coarse_to_fine = coarse_to_fine

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        """Return enhanced features, finest first; ``coarse_to_fine`` reads the result of the coarser scale."""
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
        """Return enhanced features, finest first."""
        halved = self.channel([down(x) for down, x in zip(self.down, scales, strict=True)])
        lifted = [x + up(y) for up, x, y in zip(self.up, scales, halved, strict=True)]
        del halved
        return self.spatial(lifted)


class Pyramid(nn.Module):
    """Rainy image at scales 1, 1/2, 1/4: through learned 3x3 kernels, a fixed Gaussian, or bilinear sampling."""

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
        """Return the levels, finest first: (N, 3, H, W), (N, 3, H / 2, W / 2), (N, 3, H / 4, W / 4)."""
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
        num_modules: number of basic modules, 8 in the paper; 6 to 10 in its Table 3.
        num_heads: heads of the channel attention, 4 in the paper; 1 to 16 in its Table 2.
        pyramid: ``'adaptive'`` (learned kernels), ``'gaussian'`` or ``'bilinear'`` (Table 1).
        interaction: between scales (Table 1): ``'both'`` attentions, ``'spatial'`` or ``'channel'`` only, ``'conv'``
            in their place, or ``'none'``: every scale attends to itself.
        image_channels: channels of the image, 3; more behind :class:`PixelUnshuffled`.
        with_cp: save memory in training: the backward pass computes the inside of each module again.
        init_cfg: mmengine's weight initialization.

    The paper states: three scales, the pyramid's learnable kernels, the two attentions with their Haar bands and 110
    anchors, the order of a basic module, and ``B = O - R``. It leaves the following choices open, which are made here:

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
            raise ValueError(f'MAFNet: channels must be a multiple of 4, one part for each Haar band, found {channels}')
        num_scales = 3
        self.with_cp = with_cp
        self.spec = NetworkSpec(
            min_size=8,
            size_multiple=8,  # two halvings, one inside a module, and Haar's at the coarsest scale (1/8 of the sides)
            bytes_per_pixel=48 * channels,
            export_any_size=False,  # the grids of the anchors depend on the size
            renamed_keys={'enter': 'conv_in', 'enter_spatial': 'spatial_in', 'leave': 'conv_out'},
        )

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
        self.conv_in = nn.ModuleList(conv3x3(image_channels, channels) for _ in range(num_scales))
        self.spatial_in = cross(spatial, True)
        self.body = nn.Sequential(
            *(
                BasicModule(channels, cross(channel, False), cross(spatial, True), num_scales)
                for _ in range(num_modules)
            )
        )
        self.fuse = conv3x3(num_scales * channels, channels)
        self.conv_out = conv3x3(channels, image_channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy images O (N, 3, H, W), RGB in [0, 1], H and W multiples of 8.

        Returns:
            One result B, (N, 3, H, W).
        """
        scales = [conv(level) for conv, level in zip(self.conv_in, self.pyramid(x), strict=True)]
        scales = self.spatial_in(scales)
        for module in self.body:
            scales = maybe_checkpoint(module, scales, enabled=self.with_cp)
        fused = self.fuse(torch.cat([upsample_to(scales[0], scale) for scale in scales], dim=1))
        rain = self.conv_out(F.leaky_relu(fused, SLOPE))
        return [x - rain]
