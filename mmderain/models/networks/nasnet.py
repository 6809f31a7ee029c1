"""NASNet: Qin and Wang, "NASNet: A Neuron Attention Stage-by-Stage Net for Single Image Deraining", 2020 (arXiv
1912.03151). Nothing to do with architecture search.
"""

from collections.abc import Iterator, Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import conv1x1, conv2d_split, conv3x3, maybe_checkpoint


class NeuronAttention(nn.Module):
    """Weighs every value by its surroundings in its own channel and by the other channels at its place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.surroundings = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.channels = conv1x1(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.channels(self.surroundings(x).relu_()).sigmoid_()


def build_attention(kind: str | None, channels: int) -> nn.Module:
    """``'neuron'``, ``'se'`` (squeeze and excitation, reduction 16, from timm) or None."""
    if kind == 'neuron':
        return NeuronAttention(channels)
    if kind == 'se':
        from timm.layers import SEModule  # only this row of Table 7 needs timm

        return SEModule(channels, rd_channels=max(1, channels // 16))
    if kind is None:
        return nn.Identity()
    raise ValueError(f"NASNet: attention must be 'neuron', 'se' or None, found {kind!r}")


class Block(nn.Module):
    """Two convolutions, the second reading the input too, weighed and added to the input."""

    def __init__(self, channels: int, attention: str | None) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(2 * channels, channels)
        self.attention = build_attention(attention, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = conv2d_split((x, self.conv1(x).relu_()), self.conv2.weight, self.conv2.bias, padding=1)
        return self.attention(y).add_(x)


class Stage(nn.Module):
    """Blocks and a convolution, with a skip around all."""

    def __init__(self, channels: int, num_blocks: int, attention: str | None, with_cp: bool) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.blocks = nn.Sequential(*(Block(channels, attention) for _ in range(num_blocks)))
        self.conv = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for block in self.blocks:
            y = maybe_checkpoint(block, y, enabled=self.with_cp)
        return self.conv(y).add_(x)


@MODELS.register_module()
class NASNet(BaseModule):
    """Neuron attention stage-by-stage network.

    Args:
        channels: width, 64 in the paper.
        num_stages: 3 in the paper; 1 to 4 in its Table 8.
        num_blocks: of a stage, 18 in the paper.
        attention: ``'neuron'``, ``'se'`` (SENet of Table 7) or None (PlainNet).
        fuse_stages: False lets the last stage go straight to the two last convolutions (DirectNet of Table 9).
        image_channels: channels of the image, 3; more behind :class:`PixelUnshuffled`.
        with_cp: less memory in training: a block's insides are computed again in the backward pass.
        init_cfg: mmengine's weight initialisation; the paper's is torch's default.

    It reads normalised pictures: mean and standard deviation, per data set, belong to the ``Derainer`` around it. What
    it is trained towards is the clean picture in [0, 1]. Parameters at the defaults: 6,508,931 (6,244,931 without
    attention).
    """

    channel_order = 'rgb'
    min_size = 1

    def __init__(
        self,
        channels: int = 64,
        num_stages: int = 3,
        num_blocks: int = 18,
        attention: str | None = 'neuron',
        fuse_stages: bool = True,
        image_channels: int = 3,
        with_cp: bool = False,
        init_cfg: dict | Sequence[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.fuse_stages = fuse_stages
        self.bytes_per_pixel = 40 * channels
        # Convolutions from end to end, depthwise ones included: a tile's core is then the whole picture's.
        self.halo = num_stages * (num_blocks * (3 if attention == 'neuron' else 2) + 1) + 6
        self.enter = conv3x3(image_channels, channels)
        self.stages = nn.ModuleList(Stage(channels, num_blocks, attention, with_cp) for _ in range(num_stages))
        if fuse_stages:
            self.fuse1 = conv3x3(num_stages * channels, channels)
            self.fuse2 = conv1x1(channels, channels)
            self.attention = build_attention(attention, channels)
        self.leave1 = conv3x3(channels, channels)
        self.leave2 = conv3x3(channels, image_channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy pictures (N, 3, H, W), RGB, normalised.

        Returns:
            One result, (N, 3, H, W), RGB in [0, 1] once trained.
        """
        if self.fuse_stages:
            fused = conv2d_split(self._results(x), self.fuse1.weight, self.fuse1.bias, padding=1)
            z = self.attention(self.fuse2(fused))
        else:
            *_, z = self._results(x)
        return [self.leave2(self.leave1(z)) + x]

    def _results(self, x: Tensor) -> Iterator[Tensor]:
        """Of each stage in turn, (N, channels, H, W)."""
        z = self.enter(x)
        for stage in self.stages:
            z = stage(z)
            yield z
