"""MAFNet: Zhang et al., "Multifocal Attention-Based Cross-Scale Network for Image De-raining", ACM MM 2021.

This code was written from the paper. The docstring of :class:`MAFNet` lists how it reads what the paper leaves open.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import (
    HAAR,
    ImagePyramid,
    band_maps,
    band_pixels,
    conv1x1,
    conv1x1_anchors,
    conv1x1_haar,
    conv3x3,
    maybe_checkpoint,
    merge_band_pixels,
    mix_conv1x1,
    pool_anchors,
)
from ..spec import NetworkSpec

SLOPE = 0.2
#: Keyword of :class:`MAFNet` -> the values that it takes, the default first.
CHOICES = dict(
    pyramid=('adaptive', 'gaussian', 'bilinear'),
    interaction=('both', 'spatial', 'channel', 'conv', 'none'),
    pyramid_kernel=(5, 3),
    pyramid_padding=('reflect', 'zeros'),
    spatial_order=('parallel', 'coarse_to_fine'),
    upsampling=('conv_shuffle', 'shuffle'),
    conv_kernel=(1, 3),
)


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


class ConvInteraction(nn.Module):
    """Model-4 of Table 1: a convolution of both scales, added to the larger."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = (conv1x1 if kernel_size == 1 else conv3x3)(2 * channels, channels)

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


def make_upsampling(channels: int, kind: str) -> nn.Sequential:
    """Return an upsampling by two, (N, C, H, W) -> (N, C, 2 H, 2 W), by pixel-shuffle and one convolution."""
    # The shuffle leaves a quarter of the channels. A convolution makes up for that, before it or after it.
    if kind == 'conv_shuffle':
        return nn.Sequential(conv3x3(channels, 4 * channels), nn.PixelShuffle(2), nn.LeakyReLU(SLOPE, inplace=True))
    return nn.Sequential(nn.PixelShuffle(2), conv1x1(channels // 4, channels), nn.LeakyReLU(SLOPE, inplace=True))


class BasicModule(nn.Module):
    """Attention-based basic module: channel interaction at half size, long skip, spatial interaction."""

    def __init__(
        self, channels: int, channel: CrossScale, spatial: CrossScale, num_scales: int, upsampling: str
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(conv3x3(channels, channels, stride=2), nn.LeakyReLU(SLOPE, inplace=True))
            for _ in range(num_scales)
        )
        self.channel = channel
        self.up = nn.ModuleList(make_upsampling(channels, upsampling) for _ in range(num_scales))
        self.spatial = spatial

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        """Return enhanced features, finest first."""
        halved = self.channel([down(x) for down, x in zip(self.down, scales, strict=True)])
        lifted = [x + up(y) for up, x, y in zip(self.up, scales, halved, strict=True)]
        del halved
        return self.spatial(lifted)


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
        pyramid_kernel: side of the kernels of the pyramid, 5 or 3 pixels. See the readings for this and what follows.
        pyramid_padding: what lies outside the image for these kernels, its reflection (``'reflect'``) or ``'zeros'``.
        spatial_order: ``'parallel'``: the spatial attention of every scale reads the features as they entered;
            ``'coarse_to_fine'``: it starts from the coarsest, and a finer scale reads the coarser one's result.
        upsampling: ``'conv_shuffle'``: a 3x3 convolution to four times the channels, then pixel-shuffle;
            ``'shuffle'``: pixel-shuffle to a quarter of the channels, then a 1x1 convolution to ``channels``.
        conv_kernel: side of the convolution of ``interaction='conv'``, 1 or 3 pixels.
        image_channels: channels of the image, 3; more behind :class:`PixelUnshuffled`.
        with_cp: save memory in training: the backward pass computes the inside of each module again.
        init_cfg: mmengine's weight initialization.

    Raises:
        ValueError: a keyword has a value that is not listed here, or the channels cannot be split.

    The paper states: three scales, the pyramid's learnable kernels, the two attentions with their Haar bands and 110
    anchors, the order of a basic module, and ``B = O - R``. The rest is read as follows.

    Readings:
        * Section 3.1, Eq. 2, size of K. The text makes the kernel of a Gaussian pyramid learnable and changes nothing
          else. So all kernels have the usual 5x5 pixels, and learned ones, 3 -> 3 without bias, start from the Gaussian
          (``pyramid_kernel``).
        * Section 3.1, border of the image. Zeros would darken it, and the fixed Gaussian of Table 1 cannot learn to
          correct that. All kernels read the reflected image, so that the table compares kernels (``pyramid_padding``).
        * Section 3.1, "smaller-scale". A factor of two between scales, as in the Gaussian pyramid that is named there.
        * Section 4.2.1, "downsampling kernel". The mean of 2x2 pixels: bilinear sampling by a factor of two.
        * Section 3.2, Eqs. 3 to 5. 1x1 convolutions for Q, K and V, which Fig. 4 omits, and one after the attention, as
          in the non-local block that Eq. 3 starts from. The Haar wavelet is orthonormal and not inverted.
        * Section 3.2, Eq. 4. One softmax for each band, over its 110 anchors: M has a dimension of its own for the four
          bands, and the text searches each band individually. The products are not scaled.
        * Section 3.3, Eq. 6, V. A 1x1 convolution of the larger scale. "Unchanged" contrasts it with Q and K, which SPP
          shortens. No convolution follows, as Eq. 6 has none.
        * Section 3.3, Eq. 6, softmax. Over the channels of K, which V is multiplied by: Section 4.2.2 calls a result
          the weighted average of the channels of its head.
        * Section 3.4, order of the scales. "Coarse" features are those of the entrance at all scales, and "coarse to
          fine" is said of the sequence of modules. Nothing says that a scale waits for another, so the spatial
          attentions are parallel, as the channel attentions are (``spatial_order``).
        * Section 3.4, "down-sample". A 3x3 convolution of stride 2 and leaky ReLU 0.2.
        * Section 3.4, "pixel-shuffle". The attention ahead of it works on 64 channels (Section 4.2.2) and the long skip
          adds 64, so a convolution that the text omits makes up for the fourfold reduction. As in the work cited for
          pixel-shuffle, it comes first: 3x3, 64 -> 256; leaky ReLU 0.2 follows the shuffle. In Section 3.2 the shuffle
          has no convolution, and the text states the 64 / 4 channels. The same here, with a 1x1 convolution 16 -> 64
          after it, learned much worse (docs/en/networks.md), which does not fit Table 6 (``upsampling``).
        * Section 3.4, long skip. The input of a module is added to what was upsampled.
        * Section 3.4, entrance and fusion. 3x3 convolutions without activation at the entrance. The fusion upsamples
          bilinearly; then 3x3 to ``channels``, leaky ReLU 0.2, 3x3 to 3.
        * Section 4.2.1, Model-3: every scale attends to itself. Model-4: the simplest interaction is a 1x1 convolution
          of both scales. 3x3 would make it larger than the full network (``conv_kernel``).
        * Weights are shared neither between scales nor between modules. Sides are multiples of 8.

    Parameters at the defaults: 5,298,373; with ``upsampling='shuffle'`` 1,779,397.
    """

    def __init__(
        self,
        channels: int = 64,
        num_modules: int = 8,
        num_heads: int = 4,
        pyramid: str = 'adaptive',
        interaction: str = 'both',
        pyramid_kernel: int = 5,
        pyramid_padding: str = 'reflect',
        spatial_order: str = 'parallel',
        upsampling: str = 'conv_shuffle',
        conv_kernel: int = 1,
        image_channels: int = 3,
        with_cp: bool = False,
        init_cfg: dict | Sequence[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        found = dict(pyramid=pyramid, interaction=interaction, conv_kernel=conv_kernel, upsampling=upsampling)
        found |= dict(spatial_order=spatial_order, pyramid_kernel=pyramid_kernel, pyramid_padding=pyramid_padding)
        for keyword, value in found.items():
            if value not in CHOICES[keyword]:
                raise ValueError(f'MAFNet: {keyword} must be one of {CHOICES[keyword]}, found {value!r}')
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
                return ConvInteraction(channels, conv_kernel)
            return NoInteraction() if interaction == 'channel' else SpatialAttention(channels)

        def channel() -> nn.Module:
            if interaction == 'conv':
                return ConvInteraction(channels, conv_kernel)
            return NoInteraction() if interaction == 'spatial' else ChannelAttention(channels, num_heads)

        def cross(make: Callable[[], nn.Module], coarse_to_fine: bool) -> CrossScale:
            return CrossScale(make, num_scales, interaction == 'none', coarse_to_fine)

        coarse_to_fine = spatial_order == 'coarse_to_fine'
        self.pyramid = ImagePyramid(pyramid, num_scales, image_channels, pyramid_kernel, pyramid_padding)
        self.conv_in = nn.ModuleList(conv3x3(image_channels, channels) for _ in range(num_scales))
        self.spatial_in = cross(spatial, coarse_to_fine)
        self.body = nn.Sequential(
            *(
                BasicModule(channels, cross(channel, False), cross(spatial, coarse_to_fine), num_scales, upsampling)
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
