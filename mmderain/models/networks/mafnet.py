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
#: Maps keywords of :class:`MAFNet` to their possible values.
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
    """Spatial CSSAB (Eqs. 3 to 5): in each band, pixels of the larger scale attend to anchors of the smaller scale."""

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
        # FRCB: a wavelet, and a pixel-shuffle that brings its four bands back to full size.
        q = band_pixels(conv1x1_haar(large, self.query, self.wavelet))
        # SPP: anchors of the smaller scale.
        k = pool_anchors(band_maps(conv1x1_haar(small, self.key, self.wavelet)))
        v = pool_anchors(band_maps(conv1x1_haar(small, self.value, self.wavelet)))
        # With rows that are not contiguous, torch would use a slower kernel that keeps the attention maps.
        k, v = k.transpose(2, 3).contiguous(), v.transpose(2, 3).contiguous()
        # The bands are the heads of torch's function. The paper does not scale the products.
        attended = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        del q
        return self.out(merge_band_pixels(attended, *large.shape[-2:])).add_(large)


class ChannelAttention(nn.Module):
    """Channel CSSAB (Eq. 6): mix the channels of the larger scale by their similarity to those of the smaller scale."""

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
        # SPP comes before the 1x1 convolutions, which costs less. Both are linear, so the result is the same.
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
        """Return enhanced features, finest first. With ``coarse_to_fine``, a scale reads the coarser result."""
        out = list(scales)
        for s in reversed(range(len(scales))):
            source = out if self.coarse_to_fine else scales
            coarser = scales[s] if self.isolated else source[min(s + 1, len(scales) - 1)]
            out[s] = self.interactions[s](scales[s], coarser)
        return out


def make_upsampling(channels: int, kind: str) -> nn.Sequential:
    """Return an upsampling by two, (N, C, H, W) -> (N, C, 2 H, 2 W), by pixel-shuffle and one convolution."""
    # The shuffle divides the number of channels by four. A convolution before or after it multiplies it by four.
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
        channels: number of feature channels, which the paper calls kernels: 64, and 32 and 96 in its Table 4. It must
            be a multiple of 4 and of ``num_heads``.
        num_modules: number of basic modules, 8 in the paper and 6 to 10 in its Table 3.
        num_heads: number of heads of the channel attention, 4 in the paper and 1 to 16 in its Table 2.
        pyramid: ``'adaptive'`` (learned kernels), ``'gaussian'`` or ``'bilinear'`` (Table 1).
        interaction: how scales interact (Table 1). ``'both'`` uses both attentions, ``'spatial'`` and ``'channel'`` one
            of them, ``'conv'`` a convolution. With ``'none'``, every scale attends to itself.
        pyramid_kernel: side of the kernels of the pyramid in pixels, 5 or 3.
        pyramid_padding: what these kernels read outside the image: its reflection (``'reflect'``) or ``'zeros'``.
        spatial_order: in ``'parallel'``, the spatial attention of every scale reads the features before any spatial
            attention. In ``'coarse_to_fine'``, the coarsest scale comes first, and a finer scale reads the result of
            the coarser one.
        upsampling: ``'conv_shuffle'`` is a 3x3 convolution to four times the channels and then a pixel-shuffle.
            ``'shuffle'`` is a pixel-shuffle to a quarter of the channels and then a 1x1 convolution to ``channels``.
        conv_kernel: side of the convolution of ``interaction='conv'`` in pixels, 1 or 3.
        image_channels: number of channels of input and result, 3 for images. :class:`PixelUnshuffled` sets more.
        with_cp: whether the backward pass computes the activations of each module again, to save memory in training.
        init_cfg: config of mmengine's weight initialization. None keeps that of torch; the paper mentions no other one.

    Raises:
        ValueError: a keyword has a value that is not listed here, or the channels cannot be split.

    The paper states these parts: three scales, the learnable kernels of the pyramid, the two attentions with their Haar
    bands and 110 anchors, the order of the parts of a basic module, and ``B = O - R``. It leaves other choices open.

    Readings:
        * Section 3.1, Eq. 2, size of K. The text makes the kernel of a Gaussian pyramid learnable and changes nothing
          else. Therefore all kernels have the usual 5x5 pixels. The learned ones map 3 to 3 channels without bias, and
          start from the Gaussian (``pyramid_kernel``).
        * Section 3.1, border of the image. Zeros would darken it, and the fixed Gaussian of Table 1 cannot learn to
          correct that. Therefore all kernels read the reflected image (``pyramid_padding``).
        * Section 3.1, "smaller-scale". The factor between two scales is two, as in a Gaussian pyramid.
        * Section 4.2.1, "downsampling kernel". Each pixel is the mean of 2x2 pixels, which is bilinear sampling by two.
        * Section 3.2, Eqs. 3 to 5. Q, K and V are 1x1 convolutions, which Fig. 4 omits. Another one follows the
          attention, as in the non-local block that Eq. 3 starts from. The Haar wavelet is orthonormal and not inverted.
        * Section 3.2, Eq. 4. Each band has its own softmax over its 110 anchors, because M has a separate dimension for
          the four bands, and the text searches each band individually. The products are not scaled.
        * Section 3.3, Eq. 6, V. V is a 1x1 convolution of the larger scale. The text calls it unchanged, because SPP
          shortens only Q and K. No convolution follows the attention, because Eq. 6 has none.
        * Section 3.3, Eq. 6, softmax. It runs over the channels of K, which V is multiplied by. Section 4.2.2 calls the
          result the weighted average of the channels of a head.
        * Section 3.4, order of the scales. "Coarse to fine" is said of the sequence of modules. Nothing says that a
          scale waits for another one. Therefore the spatial attentions of all scales are parallel, as the channel
          attentions are (``spatial_order``).
        * Section 3.4, "down-sample". This is a 3x3 convolution of stride 2 with leaky ReLU 0.2.
        * Section 3.4, "pixel-shuffle". The channel attention gives 64 channels (Section 4.2.2), and the long skip adds
          64 channels. The shuffle divides the channels by four, so there must be a convolution that the text omits. In
          the paper cited for pixel-shuffle, a 3x3 convolution from 64 to 256 channels comes first. This is the default,
          with leaky ReLU 0.2 after the shuffle. A shuffle without a convolution ahead, as in Section 3.2, and a 1x1
          convolution from 16 to 64 channels learned much worse (docs/en/networks.md). This does not fit the scores of
          Table 6 (``upsampling``).
        * Section 3.4, long skip. The input of a module is added to the upsampled features.
        * Section 3.4, entrance and fusion. The entrance has 3x3 convolutions without activation. The fusion upsamples
          bilinearly. A 3x3 convolution to ``channels`` with leaky ReLU 0.2 and a 3x3 convolution to 3 channels follow.
        * Section 4.2.1, Model-3 and Model-4. In Model-3, every scale attends to itself. In Model-4, the simplest
          interaction is a 1x1 convolution of both scales. With 3x3, it would be larger than the full network
          (``conv_kernel``).
        * Weights are shared neither between scales nor between modules. Sides of the image are multiples of 8.

    With the default arguments, the network has 5,298,373 parameters, and 1,779,397 with ``upsampling='shuffle'``.
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
        found = (pyramid, interaction, pyramid_kernel, pyramid_padding, spatial_order, upsampling, conv_kernel)
        for keyword, value in zip(CHOICES, found, strict=True):
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
