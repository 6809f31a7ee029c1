"""JDNet: Wang et al., ACM MM 2020.

"Joint Self-Attention and Scale-Aggregation for Self-Calibrated Deraining Network" (arXiv 2008.02763).

The authors' operators exist for CUDA only; this code runs everywhere. Differences in form, not in result: the attention
is a loop over the window (:class:`~mmderain.models.layers.PairwiseSelfAttention`), and two 1x1 convolutions of
concatenations are rearranged (:func:`~mmderain.models.layers.conv1x1_upsampled`,
:class:`~mmderain.models.layers.DenseConv1x1`).
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

SLOPE = 0.2


def lrelu(x: Tensor) -> Tensor:
    """Apply the leaky ReLU in place, to a tensor that nothing else reads."""
    return F.leaky_relu_(x, SLOPE)


class SelfAttention(nn.Module):
    """Pre-activation residual around the pairwise attention (Section 3.2)."""

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
        return self.conv(lrelu(self.norm2(y))).add_(x)  # the end of Section 3.2 and Fig. 3


class CoarserScale(nn.Module):
    """Halve the resolution of features and refine them (Section 3.3)."""

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
    """Four coarser scales, upsampled to the nearest neighbor and fused with the input (Section 3.3)."""

    scales = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coarser = nn.ModuleList(CoarserScale(channels) for _ in range(self.scales))
        self.fuse = conv1x1((self.scales + 1) * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        coarse = [self.coarser[0](x)]
        for scale in self.coarser[1:]:
            coarse.append(scale(coarse[-1]))
        fusion = lrelu(conv1x1_upsampled(x, coarse, self.fuse))  # Eq. 9: conv1x1(cat[x, up t_1, .., up t_4])
        return fusion + x


class SelfCalibratedBottleneck(nn.Module):
    """A plain branch, and one gated by its own context at a quarter of the resolution (Section 3.4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.plain_in = conv1x1(channels, half)
        self.plain = conv3x3(half, half)
        self.gated_in = conv1x1(channels, half)
        self.context = conv3x3(half, half)
        self.gated = conv3x3(half, half)
        self.gated_out = conv3x3(half, half)
        self.out = conv1x1(channels, channels)

    def forward(self, s: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        u = lrelu(self.plain(lrelu(self.plain_in(s))))  # Eq. 14: Y_2
        w = lrelu(self.gated_in(s))
        context = F.interpolate(self.context(F.avg_pool2d(w, 4)), w.shape[-2:], mode='nearest')  # Eqs. 10 and 11: X'_1
        gate = context.add_(w).sigmoid_()
        # Eqs. 12 and 13: F_2 and F_3 are convolutions without activation, so the gate weights signed values.
        w = lrelu(self.gated_out(self.gated(w) * gate))
        return lrelu(self.out(torch.cat([u, w], dim=1)).add_(s))


class JointUnit(nn.ModuleList):
    """Self-attention, scale aggregation and self-calibration, one after the other; Table 2 leaves parts out."""

    def forward(self, x: Tensor, tile: Tile | None, with_cp: bool) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        for part in self:
            if isinstance(part, SelfAttention):
                # Never checkpointed: computed twice, its batch normalizations would count a batch twice.
                x = part(x, tile)
            else:
                x = maybe_checkpoint(part, x, enabled=with_cp)
        return x


@MODELS.register_module()
class JDNet(BaseModule):
    """Joint network of self-attention, scale aggregation and self-calibrated convolution, densely connected.

    Args:
        channels: width C, 32 in the paper.
        num_units: number of joint units, 32 in the paper.
        use_attention: False leaves the attention out (Table 2: R1 and R2).
        use_calibration: False leaves the self-calibration out (Table 2: R1).
        attention_backend: ``'torch'``, or ``'triton'`` for NVIDIA GPUs, whose kernels have not run on one yet.
        image_channels: channels of the image, 3; more behind :class:`PixelUnshuffled`.
        with_cp: save memory in training: the backward pass computes the inside of scale aggregation and calibration
            again.
        init_cfg: mmengine's weight initialization; the paper's is torch's default.

    The authors train and test on BGR images, so that is what the network reads and returns. Parameters at the defaults:
    4,681,859.
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
            min_size=4,  # the reflected 7x7 window, and the pooling by 4
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
            x: rainy images I (N, 3, H, W), BGR in [0, 1], H and W at least 4.
            tile: the tile that x is, None for whole images.

        Returns:
            One result B, (N, 3, H, W), BGR.
        """
        features = lrelu(self.conv_in(x))  # Section 3.1 and Fig. 2, up to the rain
        dense = DenseConv1x1(cast('Sequence[nn.Conv2d]', self.fuse), features)
        for unit in self.units:
            features = lrelu(dense.append(unit(features, tile, self.with_cp)))  # conv1x1(cat[all features])
        # A leaky ReLU follows the last convolution too (Section 3.1); unlike a ReLU it lets the rain be negative.
        rain = lrelu(self.conv_out(features))
        return [x - rain]  # Eq. 1
