"""JDNet: Wang et al., ACM MM 2020.

"Joint Self-Attention and Scale-Aggregation for Self-Calibrated Deraining Network" (arXiv 2008.02763).

The paper leaves some choices open, and the authors' code differs from the paper in some points. In these cases, this
network follows the authors' code, so that the authors' weights fit:

* Eq. 4: the relation of two pixels has two parts: the difference of their features, and the difference of their
  positions after a learned convolution. The paper has only the first part.
* Eqs. 2 and 3: the attention weights are a softmax over the 49 pixels of the window. All eight value channels share
  these weights. The paper says the opposite: the weights adapt to each channel (Sections 1 and 3.2), although a group
  of channels can share them.
* Section 3.2: the relations have 1/16 of the channels, and the values 1/4. The paper names no numbers.
* Section 3.2: batch normalization and leaky ReLU are applied before and after the attention. In the paper, they are
  applied only after it.
* Eq. 9: a leaky ReLU follows the 1x1 convolution, and the input of the module is then added. The upsampling is
  nearest-neighbor interpolation.
* Eq. 11: the upsampling is nearest-neighbor interpolation.
* Section 3.4: a leaky ReLU follows each of the two 1x1 convolutions at the input, and each of F_1 and F_4. At the end,
  a 1x1 convolution mixes Y_1 and Y_2. The input of the module is then added, and another leaky ReLU follows.
* Section 3.1: after each unit, a 1x1 convolution with leaky ReLU mixes the features of the first convolution and the
  results of all units so far.
* The initial weights are torch's defaults. Only the authors' code gives the batch sizes, and the sizes of two groups of
  kernels: 3x3 for the four convolutions of Section 3.4, and 1x1 for the convolutions of the attention (Section 3.2).

The attention in the authors' code needs CUDA. This network runs on every device. It gives the same results as the
authors' code, but computes two parts in another way:

* The attention is a loop over the window (:class:`~mmderain.models.layers.PairwiseSelfAttention`).
* The 1x1 convolutions of concatenated scales (:func:`~mmderain.models.layers.conv1x1_upsampled`) and of concatenated
  results of units (:class:`~mmderain.models.layers.DenseConv1x1`) are computed without the concatenation.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import DenseConv1x1, PairwiseSelfAttention, conv1x1, conv1x1_upsampled, conv3x3, maybe_checkpoint
from ..spec import NetworkSpec
from ..tiling import Tile

#: Negative slope of the leaky ReLU (Section 3.3, text after Eq. 6).
SLOPE = 0.2


def lrelu(x: Tensor) -> Tensor:
    """Apply the leaky ReLU in place. The original values of ``x`` are lost."""
    return F.leaky_relu_(x, SLOPE)


class SelfAttention(nn.Module):
    """Self-attention module: a pre-activation residual block around the pairwise attention (Section 3.2)."""

    def __init__(self, channels: int, relation_channels: int, value_channels: int, backend: str) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attention = PairwiseSelfAttention(
            channels, relation_channels, value_channels, slope=SLOPE, backend=backend
        )
        self.norm2 = nn.BatchNorm2d(value_channels)
        self.conv = conv1x1(value_channels, channels)

    def forward(self, x: Tensor, tile: Tile | None) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        y = self.attention(lrelu(self.norm1(x)), tile)  # Eqs. 2 to 4
        return self.conv(lrelu(self.norm2(y))).add_(x)  # last steps of Fig. 3; Section 3.2, next-to-last paragraph


class CoarserScale(nn.Module):
    """Halve the resolution of features, and refine the result with a residual block (Section 3.3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = conv3x3(channels, channels, stride=2)
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H / 2, W / 2), rounded up, for (N, C, H, W)."""
        x = lrelu(self.down(x))  # Eqs. 5 and 7
        return self.conv2(lrelu(self.conv1(x))).add_(x)  # ResBlock of Eqs. 6 and 8


class ScaleAggregation(nn.Module):
    """Scale-aggregation module: fuse the input with features of four coarser scales (Section 3.3).

    The coarser features are upsampled by nearest-neighbor interpolation.
    """

    scales = 4  # n in Section 3.6

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coarser = nn.ModuleList(CoarserScale(channels) for _ in range(self.scales))
        self.fuse = conv1x1((self.scales + 1) * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        coarse = [self.coarser[0](x)]
        for scale in self.coarser[1:]:
            coarse.append(scale(coarse[-1]))
        # Eq. 9, conv1x1(cat[X^0, Up(X^1), .., Up(X^4)]), followed by a leaky ReLU
        fusion = lrelu(conv1x1_upsampled(x, coarse, self.fuse))
        return fusion + x


class SelfCalibratedBottleneck(nn.Module):
    """Self-calibrated convolution: a plain branch and a gated branch (Section 3.4).

    The gate is computed from the features of the gated branch, at full resolution and at a quarter of the resolution.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.plain_in = conv1x1(channels, half)
        self.plain = conv3x3(half, half)  # K_1
        self.gated_in = conv1x1(channels, half)
        self.context = conv3x3(half, half)  # K_2
        self.gated = conv3x3(half, half)  # K_3
        self.gated_out = conv3x3(half, half)  # K_4
        self.out = conv1x1(channels, channels)

    def forward(self, s: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        u = lrelu(self.plain(lrelu(self.plain_in(s))))  # Eq. 14: Y_2
        w = lrelu(self.gated_in(s))  # X_1
        context = F.interpolate(self.context(F.avg_pool2d(w, 4)), w.shape[-2:], mode='nearest')  # Eqs. 10 and 11: X'_1
        gate = context.add_(w).sigmoid_()
        # Eqs. 12 and 13: Y_1. No activation follows the convolutions F_2 and F_3, so the gate multiplies signed values.
        w = lrelu(self.gated_out(self.gated(w) * gate))
        return lrelu(self.out(torch.cat([u, w], dim=1)).add_(s))


class JointUnit(nn.ModuleList):
    """Joint unit: self-attention, scale aggregation and self-calibration, one after the other (Section 3.1).

    In Table 2, variant R_2 has no self-attention, and variant R_1 has neither self-attention nor self-calibration.
    """

    def forward(self, x: Tensor, tile: Tile | None, with_cp: bool) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        for part in self:
            if isinstance(part, SelfAttention):
                # Checkpointing would compute the attention twice. Its batch normalizations would then update their
                # running statistics twice for each batch.
                x = part(x, tile)
            else:
                x = maybe_checkpoint(part, x, enabled=with_cp)
        return x


@MODELS.register_module()
class JDNet(BaseModule):
    """Densely connected network of units with self-attention, scale aggregation and self-calibrated convolution.

    Args:
        channels: number of feature channels C, 32 in the paper (Section 3.6).
        num_units: number of joint units, 32 in the paper (Section 3.6).
        use_attention: False leaves out the self-attention (R_1 and R_2 of Table 2).
        use_calibration: False leaves out the self-calibrated convolution (R_1 of Table 2).
        attention_backend: ``'torch'``, or ``'triton'`` for Triton kernels, which need an NVIDIA GPU. These kernels have
            not been run on a GPU yet.
        image_channels: number of channels of input and result, 3 for images. :class:`PixelUnshuffled` sets a larger
            number.
        with_cp: whether to save memory in training by gradient checkpointing. The backward pass then computes the
            activations inside the scale aggregation and the self-calibration again.
        init_cfg: config of mmengine's weight initialization. None keeps torch's initial weights, as the authors' code
            does.

    The network reads and returns BGR images, because the authors train and test on BGR images. With the default
    arguments, the network has 4,681,859 parameters.
    """

    def __init__(
        self,
        channels: int = 32,
        num_units: int = 32,
        use_attention: bool = True,
        use_calibration: bool = True,
        attention_backend: str = 'torch',
        image_channels: int = 3,
        with_cp: bool = False,
        init_cfg: dict | Sequence[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.with_cp = with_cp
        self.spec = NetworkSpec(
            channel_order='bgr',
            min_size=4,  # needed by the reflection at the border (7x7 window), and by the pooling by 4
            bytes_per_pixel=256 * channels,
            takes_tile=True,
            export_multiple=4,
            renamed_keys={'enter': 'conv_in', 'leave': 'conv_out', 'gather': 'fuse', 'weigh': 'logit'},
        )
        self.conv_in = conv3x3(image_channels, channels)
        self.units = nn.ModuleList()
        self.fuse = nn.ModuleList()
        for i in range(num_units):
            parts: list[nn.Module] = [ScaleAggregation(channels)]
            if use_attention:
                attention = SelfAttention(channels, max(1, channels // 16), max(1, channels // 4), attention_backend)
                parts.insert(0, attention)
            if use_calibration:
                parts.append(SelfCalibratedBottleneck(channels))
            self.units.append(JointUnit(parts))
            self.fuse.append(conv1x1((i + 2) * channels, channels))
        self.conv_out = conv3x3(channels, image_channels)

    def forward(self, x: Tensor, tile: Tile | None = None) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy images O (N, 3, H, W), BGR in [0, 1]. H and W are at least 4.
            tile: the part of the images that ``x`` contains; None if ``x`` contains whole images.

        Returns:
            A list with one result: the derained images B, (N, 3, H, W), BGR.
        """
        # Section 3.1 and Fig. 2, up to the rain streaks R
        features = lrelu(self.conv_in(x))
        dense = DenseConv1x1(cast('Sequence[nn.Conv2d]', self.fuse), features)
        for unit in self.units:
            features = lrelu(dense.append(unit(features, tile, self.with_cp)))  # conv1x1(cat[all features so far])
        # A leaky ReLU also follows the last convolution (Section 3.1). Unlike a ReLU, it allows negative rain.
        rain = lrelu(self.conv_out(features))
        return [x - rain]  # Eq. 1
