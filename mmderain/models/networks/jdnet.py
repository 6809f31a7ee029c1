"""JDNet: Wang et al., "Joint Self-Attention and Scale-Aggregation for Self-Calibrated Deraining Network", ACM MM 2020
(arXiv 2008.02763).

The authors' operators exist for CUDA only; this runs everywhere. Differences in form, not in result: 1x1 convolutions
of coarse features are applied before these are upsampled, those of the dense body take old features for several units
at once, and the attention is a loop over shifts.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import PairwiseSelfAttention, conv1x1, conv2d_split, conv3x3, maybe_checkpoint

SLOPE = 0.2


def lrelu(x: Tensor) -> Tensor:
    """In place: of a tensor that nobody else reads. Autograd tells the slope from the sign of the result."""
    return F.leaky_relu_(x, SLOPE)


class SelfAttention(nn.Module):
    """Pre-activation residual around the pairwise attention."""

    def __init__(self, channels: int, relation_channels: int, value_channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attention = PairwiseSelfAttention(channels, relation_channels, value_channels, slope=SLOPE)
        self.norm2 = nn.BatchNorm2d(value_channels)
        self.conv = conv1x1(value_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.attention(lrelu(self.norm1(x)))
        return self.conv(lrelu(self.norm2(y))).add_(x)


class CoarserScale(nn.Module):
    """Halves the features and refines them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = conv3x3(channels, channels, stride=2)
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = lrelu(self.down(x))
        return self.conv2(lrelu(self.conv1(x))).add_(x)


class ScaleAggregation(nn.Module):
    """Four coarser scales, brought back by nearest-neighbour upsampling and fused with the input."""

    scales = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coarser = nn.ModuleList(CoarserScale(channels) for _ in range(self.scales))
        self.fuse = conv1x1((self.scales + 1) * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        # One kernel for the concatenation is a sum of kernels for its parts, and those of the coarse scales commute
        # with nearest-neighbour upsampling: they run on a quarter, a sixteenth, ... of the pixels.
        kernels = self.fuse.weight.chunk(self.scales + 1, dim=1)
        total = F.conv2d(x, kernels[0], self.fuse.bias)
        coarse = x
        for scale, kernel in zip(self.coarser, kernels[1:], strict=True):
            coarse = scale(coarse)
            total += F.interpolate(F.conv2d(coarse, kernel), x.shape[-2:], mode='nearest')
        return lrelu(total) + x


class SelfCalibratedBottleneck(nn.Module):
    """A plain branch, and one gated by its own context at a quarter of the resolution."""

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

    def forward(self, x: Tensor) -> Tensor:
        u = lrelu(self.plain(lrelu(self.plain_in(x))))
        w = lrelu(self.gated_in(x))
        context = F.interpolate(self.context(F.avg_pool2d(w, 4)), w.shape[-2:], mode='nearest')
        w = lrelu(self.gated_out(self.gated(w) * context.add_(w).sigmoid_()))
        return lrelu(self.out(torch.cat([u, w], dim=1)).add_(x))


@MODELS.register_module()
class JDNet(BaseModule):
    """Joint network of self-attention, scale aggregation and self-calibrated convolution, densely connected.

    Args:
        channels: width, 32 in the paper.
        num_units: 32 in the paper.
        use_attention, use_calibration: False leaves that part of the units out (Table 2: R1 has neither, R2 the
            calibration).
        image_channels: channels of the image, 3; more behind :class:`PixelUnshuffled`.
        with_cp: less memory in training: the insides of scale aggregation and calibration are computed again in the
            backward pass.
        init_cfg: mmengine's weight initialisation; the paper's is torch's default.

    The authors train and test on BGR pictures, so that is what the network reads and returns. Parameters at the
    defaults: 4,681,859.
    """

    block = 8  # units that take the features from before them in one product
    channel_order = 'bgr'
    min_size = 4  # of the reflected 7x7 window, and of the pooling by 4

    def __init__(
        self,
        channels: int = 32,
        num_units: int = 32,
        use_attention: bool = True,
        use_calibration: bool = True,
        image_channels: int = 3,
        with_cp: bool = False,
        init_cfg: dict | Sequence[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.with_cp = with_cp
        self.bytes_per_pixel = 256 * channels
        self.enter = conv3x3(image_channels, channels)
        self.units = nn.ModuleList()
        self.gather = nn.ModuleList()
        for i in range(num_units):
            parts: list[nn.Module] = [ScaleAggregation(channels)]
            if use_attention:
                parts.insert(0, SelfAttention(channels, max(1, channels // 16), max(1, channels // 4)))
            if use_calibration:
                parts.append(SelfCalibratedBottleneck(channels))
            self.units.append(nn.Sequential(*parts))
            self.gather.append(conv1x1((i + 2) * channels, channels))
        self.leave = conv3x3(channels, image_channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy pictures (N, 3, H, W), BGR in [0, 1], H and W at least 4.

        Returns:
            One result, (N, 3, H, W), BGR.
        """
        out = lrelu(self.enter(x))
        blocks = [out]  # the features of each block of units in one tensor
        for start in range(0, len(self.units), self.block):
            units, gathers = (part[start : start + self.block] for part in (self.units, self.gather))
            shares = list(self._shares(blocks, gathers).chunk(len(gathers), dim=1))
            if start + self.block >= len(self.units):
                blocks.clear()  # nobody reads them any more
            together = None
            for unit, gather in zip(units, gathers, strict=True):
                new = out
                for part in unit:
                    # Not the attention: computed twice, its normalisations would count a batch twice.
                    again = self.with_cp and not isinstance(part, SelfAttention)
                    new = maybe_checkpoint(part, new, enabled=again)
                together = new if together is None else torch.cat([together, new], dim=1)
                out = F.conv2d(together, gather.weight[:, -together.shape[1] :])
                out = lrelu(out.add_(shares.pop(0)))
            blocks.append(together)
        return [x - lrelu(self.leave(out))]

    @staticmethod
    def _shares(blocks: list[Tensor], gathers: nn.ModuleList) -> Tensor:
        """What the units of a block take of all features before it: a sum of one product for each earlier block, in
        place of as many concatenations as units, each longer than the one before.

        Returns:
            (N, units C, H, W).
        """
        old = sum(features.shape[1] for features in blocks)
        weight = torch.cat([gather.weight[:, :old] for gather in gathers])
        return conv2d_split(blocks, weight, torch.cat([gather.bias for gather in gathers]))
