"""MAFNet: Zhang et al., "Multifocal Attention-Based Cross-Scale Network for Image De-raining", ACM MM 2021.

This code was written from the paper. The docstring of :class:`MAFNet` lists the choices that the paper leaves open, and
the decisions of this code.
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
    interaction=('both', 'spatial', 'channel', 'conv', 'none', 'no_attention'),
    pyramid_kernel=(5, 3),
    pyramid_padding=('reflect', 'zeros'),
    spatial_order=('parallel', 'coarse_to_fine'),
    upsampling=('conv_shuffle', 'shuffle'),
    conv_kernel=(1, 3),
)


class SpatialAttention(nn.Module):
    """Spatial cross-scale similarity attention block (CSSAB, Eqs. 3 to 5).

    In each wavelet band, the pixels of the larger scale attend to the anchors of the smaller scale.
    """

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
        # Feature re-calibrated block (FRCB): the Haar wavelet, and a pixel-shuffle that makes maps of full size from
        # its four bands.
        q = band_pixels(conv1x1_haar(large, self.query, self.wavelet))
        # Spatial pyramid pooling (SPP): the anchors of the smaller scale.
        k = pool_anchors(band_maps(conv1x1_haar(small, self.key, self.wavelet)))
        v = pool_anchors(band_maps(conv1x1_haar(small, self.value, self.wavelet)))
        # If the rows were not contiguous, torch would use a slower kernel that stores the attention maps.
        k, v = k.transpose(2, 3).contiguous(), v.transpose(2, 3).contiguous()
        # The bands take the place of the heads in torch's function. The paper does not scale the products.
        attended = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        del q
        return self.out(merge_band_pixels(attended, *large.shape[-2:])).add_(large)


class ChannelAttention(nn.Module):
    """Channel cross-scale similarity attention block (CSSAB, Eq. 6).

    The block mixes the channels of the larger scale. The weights are the similarities to channels of the smaller scale.
    """

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
        # SPP is computed before the 1x1 convolutions, because this takes less time. SPP and the convolutions are
        # linear, so the result is the same.
        q = conv1x1_anchors(pool_anchors(large), self.query).unflatten(1, (self.num_heads, -1))
        k = conv1x1_anchors(pool_anchors(small), self.key).unflatten(1, (self.num_heads, -1))
        # (N, heads, channels of k, channels of q). Each column contains the weights of the channels of v in one channel
        # of the result.
        mix = torch.softmax(k @ q.transpose(-1, -2), dim=-2)
        return mix_conv1x1(large, self.value, mix).add_(large)


class ConvInteraction(nn.Module):
    """Model-4 of Table 1: convolve the concatenation of both scales, and add the result to the larger scale."""

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
    """Let each scale interact with the next coarser scale. The coarsest scale interacts with itself.

    Args:
        make: function that builds the module for the interaction of two scales.
        num_scales: number of scales.
        isolated: whether each scale interacts only with itself.
        coarse_to_fine: whether a scale reads the result of the coarser scale. If False, it reads the features of the
            coarser scale before any interaction.
    """

    def __init__(self, make: Callable[[], nn.Module], num_scales: int, isolated: bool, coarse_to_fine: bool) -> None:
        super().__init__()
        self.interactions = nn.ModuleList(make() for _ in range(num_scales))
        self.isolated = isolated
        self.coarse_to_fine = coarse_to_fine

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        """Return the enhanced features of each scale, finest scale first."""
        out = list(scales)
        for s in reversed(range(len(scales))):
            source = out if self.coarse_to_fine else scales
            coarser = scales[s] if self.isolated else source[min(s + 1, len(scales) - 1)]
            out[s] = self.interactions[s](scales[s], coarser)
        return out


def make_upsampling(channels: int, kind: str) -> nn.Sequential:
    """Build a module that upsamples features by two with a pixel-shuffle, (N, C, H, W) -> (N, C, 2 H, 2 W)."""
    # The pixel-shuffle divides the number of channels by four. A convolution before or after the pixel-shuffle
    # multiplies the number of channels by four.
    if kind == 'conv_shuffle':
        return nn.Sequential(conv3x3(channels, 4 * channels), nn.PixelShuffle(2), nn.LeakyReLU(SLOPE, inplace=True))
    return nn.Sequential(nn.PixelShuffle(2), conv1x1(channels // 4, channels), nn.LeakyReLU(SLOPE, inplace=True))


class BasicModule(nn.Module):
    """Attention-based basic module: channel interaction at half size, long skip connection, spatial interaction."""

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
        """Return the enhanced features of each scale, finest scale first."""
        halved = self.channel([down(x) for down, x in zip(self.down, scales, strict=True)])
        lifted = [x + up(y) for up, x, y in zip(self.up, scales, halved, strict=True)]
        del halved
        return self.spatial(lifted)


@MODELS.register_module()
class MAFNet(BaseModule):
    """Multifocal attention-based cross-scale network.

    Args:
        channels: number of feature channels, which the paper calls kernels. The network of the paper has 64; Table 4
            also lists 32 and 96. The number must be a multiple of 4 and of ``num_heads``.
        num_modules: number of basic modules, 8 in the paper and 6 to 10 in its Table 3.
        num_heads: number of heads of the channel attention, 4 in the paper and 1 to 16 in its Table 2.
        pyramid: kind of the image pyramid (Table 1): ``'adaptive'`` (learned kernels), ``'gaussian'`` (fixed kernels)
            or ``'bilinear'`` (means of 2x2 pixels).
        interaction: how scales interact (Table 1). ``'both'`` uses the spatial and the channel attention.
            ``'spatial'`` and ``'channel'`` use only one of the two attentions. ``'conv'`` uses a convolution. With
            ``'none'``, every scale attends only to itself. With ``'no_attention'``, nothing replaces the attentions.
        pyramid_kernel: side of the kernels of the pyramid in pixels, 5 or 3.
        pyramid_padding: the values that the kernels of the pyramid read outside the image. ``'reflect'`` reflects the
            image, and ``'zeros'`` uses zeros.
        spatial_order: with ``'parallel'``, the spatial attention of a scale reads the features that the coarser scale
            has before its own spatial attention. With ``'coarse_to_fine'``, the coarsest scale is computed first, and a
            finer scale reads the result of the coarser scale.
        upsampling: ``'conv_shuffle'`` is a 3x3 convolution to ``4 * channels`` and then a pixel-shuffle. ``'shuffle'``
            is a pixel-shuffle to ``channels / 4`` and then a 1x1 convolution to ``channels``.
        conv_kernel: side in pixels of the convolution kernel with ``interaction='conv'``, 1 or 3.
        image_channels: number of channels of input and result, 3 for images. :class:`PixelUnshuffled` sets a larger
            number.
        with_cp: whether to save memory in training by gradient checkpointing. The backward pass then computes the
            activations of each module again.
        init_cfg: config of mmengine's weight initialization. None keeps torch's initial weights, because the paper
            mentions no initialization.

    Raises:
        ValueError: an argument has a value that is not listed here, or ``channels`` is not a multiple of 4 and of
            ``num_heads``.

    The paper specifies these parts: three scales, the learnable kernels of the pyramid, the two attentions with their
    Haar bands and 110 anchors, the order of the steps in a basic module, and ``B = O - R``. The paper leaves the other
    choices open. Each entry of the list below names a passage of the paper, and says how this code reads it.

    Readings:
        * Section 3.1, Eq. 2, size of K. The text makes the kernel of a Gaussian pyramid learnable and changes nothing
          else. Therefore all kernels have the usual size of 5x5 pixels. A learned kernel maps 3 channels to 3 channels
          without bias. Its initial values are those of a Gaussian with a sigma of 1 pixel. See ``pyramid_kernel``.
        * Section 3.1, border of the image. Zero padding would darken the border, and the fixed Gaussian of Table 1
          cannot learn to correct this. Therefore all kernels read the reflected image. See ``pyramid_padding``.
        * Section 3.1, "smaller-scale". Each scale has half the side of the previous scale, as in a Gaussian pyramid.
        * Section 4.2.1, "downsampling kernel". Each pixel is the mean of 2x2 pixels. This equals bilinear interpolation
          at half the resolution.
        * Section 3.2, Eqs. 3 to 5. Three 1x1 convolutions compute Q, K and V. Fig. 4 does not show them. Another 1x1
          convolution follows the attention, as in the non-local block on which Eq. 3 is based. The Haar wavelet is
          orthonormal. It is not inverted after the attention. The bands are concatenated in the order LL, HL, LH, HH of
          Fig. 1. Eqs. 4 and 5 have LH before HL. The order has no effect, because the last convolution mixes all bands.
        * Section 3.2, sizes. Here, K and V of a band have C / 4 channels, and M has 110 weights for each pixel and
          band. The text after Eqs. 4 and 5 gives other sizes, which contradict the pixel-shuffle and the size of M
          before Eq. 4.
        * Section 3.2, Eq. 4. Each band has its own softmax over its 110 anchors, because M has a separate dimension for
          the four bands, and because the text says that each band is searched individually. The products are not
          scaled.
        * Section 3.3, Eq. 6, Q, K and V. Three 1x1 convolutions compute them. Fig. 4 does not show them. The text says
          that V remains unchanged. This code reads this as: SPP is not applied to V. No convolution follows the
          attention, because Eq. 6 has none. The products are not scaled, as in Eq. 4.
        * Section 3.3, Eq. 6, softmax. The softmax runs over the channels of K. Each channel of the result is then a
          weighted average of the channels of V in one head, as Section 4.2.2 describes it.
        * Section 3.4, order of the scales. The text uses "coarse-to-fine" for the sequence of modules. It does not say
          that a scale waits for the result of another scale. Therefore the spatial attentions of all scales are
          parallel, like the channel attentions. See ``spatial_order``.
        * Section 3.4, "down-sample". This is a 3x3 convolution of stride 2 and a leaky ReLU with slope 0.2.
        * Section 3.4, "pixel-shuffle". The pixel-shuffle divides the number of channels by four, but its input and its
          output have 64 channels. Therefore there must be a convolution that the text does not mention. The default is
          a 3x3 convolution from 64 to 256 channels before the pixel-shuffle (Shi et al., CVPR 2016), with a leaky ReLU
          of slope 0.2 after it. The alternative is a 1x1 convolution from 16 to 64 channels after the pixel-shuffle. It
          learned much worse (docs/en/networks.md). See ``upsampling``.
        * Section 3.4, long skip connection. The input of a module is added to the upsampled features. The text does not
          say where the connection starts and ends.
        * Section 3.4, entrance and fusion. The entrance has a 3x3 convolution without activation for each scale. The
          fusion upsamples all scales bilinearly to full size, and concatenates them. A 3x3 convolution to ``channels``,
          a leaky ReLU of slope 0.2 and a 3x3 convolution to 3 channels follow.
        * Section 4.2.1, Model-3. The text says that each scale is processed individually. In Table 1, this model has a
          mark for neither attention. Here, every scale attends only to itself, as the coarsest scale does in all models
          (Section 3.4). The other reading is a network without attention (``interaction='no_attention'``).
        * Section 4.2.1, Models 4 to 6. In Model-4, a 1x1 convolution of both scales replaces each attention in the
          entrance and in the modules. The coarser scale is first upsampled bilinearly. The result is added to the
          larger scale, as in Eqs. 3 and 6. With 3x3 convolutions, Model-4 would have more parameters than the full
          network (see ``conv_kernel``). Model-5 has no channel attention, but keeps the convolution of stride 2, the
          pixel-shuffle and the long skip connection. Model-6 has no spatial attention, neither in the modules nor in
          the entrance.
        * Weights are shared neither between scales nor between modules. Each level of the pyramid also has its own
          kernel, although Eq. 2 has the same symbol K for all levels.
        * Size of the image. The sides must be multiples of 8. The method ``restore`` of the derainer pads other images
          by reflection, and crops the results. The paper does not say how it processes such images.

    With the default arguments, the network has 5,298,373 parameters. With ``upsampling='shuffle'``, it has 1,779,397
    parameters.
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
            # The coarsest scale has 1/4 of the image's height and width. At this scale, the Haar wavelet and the
            # convolution of stride 2 in a module need an even height and width.
            size_multiple=8,
            bytes_per_pixel=48 * channels,
            export_any_size=False,  # the cells of the anchor grids depend on the image size
            renamed_keys={'enter': 'conv_in', 'enter_spatial': 'spatial_in', 'leave': 'conv_out'},
        )

        def spatial() -> nn.Module:
            if interaction == 'conv':
                return ConvInteraction(channels, conv_kernel)
            return NoInteraction() if interaction in ('channel', 'no_attention') else SpatialAttention(channels)

        def channel() -> nn.Module:
            if interaction == 'conv':
                return ConvInteraction(channels, conv_kernel)
            return (
                NoInteraction() if interaction in ('spatial', 'no_attention') else ChannelAttention(channels, num_heads)
            )

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
            A list with one result: the derained images B, (N, 3, H, W), RGB.
        """
        scales = [conv(level) for conv, level in zip(self.conv_in, self.pyramid(x), strict=True)]
        scales = self.spatial_in(scales)
        for module in self.body:
            scales = maybe_checkpoint(module, scales, enabled=self.with_cp)
        fused = self.fuse(torch.cat([upsample_to(scales[0], scale) for scale in scales], dim=1))
        rain = self.conv_out(F.leaky_relu(fused, SLOPE))
        return [x - rain]
