"""NASNet: Qin and Wang, 2020.

"NASNet: A Neuron Attention Stage-by-Stage Net for Single Image Deraining" (arXiv 1912.03151). It is not the network of
the same name from neural architecture search.

Difference in form, not in result: a convolution of two concatenated maps is a sum of two
(:func:`~mmderain.models.layers.conv2d_split`).
"""

from collections.abc import Iterator, Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import conv1x1, conv2d_split, conv3x3, maybe_checkpoint
from ..spec import NetworkSpec


class NeuronAttention(nn.Module):
    """Weight every value by its surroundings in its own channel and by the other channels at its place (Sec. 3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.surroundings = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.channels = conv1x1(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return x * NA(x), (N, C, H, W) as the input; NA is Eq. 4, the depthwise convolution, then Eq. 5."""
        return x * self.channels(self.surroundings(x).relu_()).sigmoid_()


def build_attention(kind: str | None, channels: int) -> nn.Module:
    """Build the attention ``'neuron'``, ``'se'`` (squeeze and excitation of timm, reduction 16) or None (identity)."""
    if kind == 'neuron':
        return NeuronAttention(channels)
    if kind == 'se':
        from timm.layers import SEModule  # only this row of Table 7 needs timm

        return SEModule(channels, rd_channels=max(1, channels // 16))
    if kind is None:
        return nn.Identity()
    raise ValueError(f"NASNet: attention must be 'neuron', 'se' or None, found {kind!r}")


class Block(nn.Module):
    """Two convolutions, the second of which also reads the input; the result is weighted and added to the input.

    Section 3.2 and Fig. 2: reading the input again is the short skip connection, the sum is the local residual.
    """

    def __init__(self, channels: int, attention: str | None) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(2 * channels, channels)
        self.attention = build_attention(attention, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        # b = conv2(cat[x, a]) with a = relu(conv1(x)), which has no name here so that its memory is free afterwards
        b = conv2d_split((x, self.conv1(x).relu_()), self.conv2.weight, self.conv2.bias, padding=1)
        return self.attention(b).add_(x)  # local residual learning


class Stage(nn.Module):
    """Blocks and a convolution, with the long skip connection around them (Section 3.2)."""

    def __init__(self, channels: int, num_blocks: int, attention: str | None, with_cp: bool) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.blocks = nn.Sequential(*(Block(channels, attention) for _ in range(num_blocks)))
        self.conv = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        y = x
        for block in self.blocks:
            y = maybe_checkpoint(block, y, enabled=self.with_cp)
        return self.conv(y).add_(x)  # long skip connection


@MODELS.register_module()
class NASNet(BaseModule):
    """Neuron attention stage-by-stage network.

    Args:
        channels: width C, 64 in the paper.
        num_stages: 3 in the paper; 1 to 4 in its Table 8.
        num_blocks: number of blocks of a stage, 18 in the paper.
        attention: ``'neuron'``, ``'se'`` (SENet of Table 7) or None (PlainNet).
        fuse_stages: False passes the last stage straight to the two last convolutions (DirectNet of Table 9).
        image_channels: channels of the image, 3; more behind :class:`PixelUnshuffled`.
        with_cp: save memory in training: the backward pass computes the inside of each block again.
        init_cfg: mmengine's weight initialization; the paper's is torch's default.

    It reads normalized images: mean and standard deviation, which differ for each data set, belong to the ``Derainer``
    around it. Its target is the clean image in [0, 1]. Parameters at the defaults: 6,508,931 (6,244,931 without
    attention).
    """

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
        # Each 3x3 convolution, depthwise ones included, widens by a pixel what a result depends on.
        convolutions_of_block = 3 if attention == 'neuron' else 2
        # The last term: conv_in, fuse1, attention, conv_out1 and conv_out2 widen by 1 each; 1 is spare.
        self.spec = NetworkSpec(
            halo=num_stages * (num_blocks * convolutions_of_block + 1) + 6,
            bytes_per_pixel=40 * channels,
            renamed_keys={'enter': 'conv_in', 'leave1': 'conv_out1', 'leave2': 'conv_out2'},
        )
        self.conv_in = conv3x3(image_channels, channels)
        self.stages = nn.ModuleList(Stage(channels, num_blocks, attention, with_cp) for _ in range(num_stages))
        if fuse_stages:
            self.fuse1 = conv3x3(num_stages * channels, channels)
            self.fuse2 = conv1x1(channels, channels)
            self.attention = build_attention(attention, channels)
        self.conv_out1 = conv3x3(channels, channels)
        self.conv_out2 = conv3x3(channels, image_channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy images (N, 3, H, W), RGB, normalized.

        Returns:
            One result, (N, 3, H, W), RGB in [0, 1] once trained.
        """
        results = self._stage_results(x)
        # Section 3.2 and Fig. 2: concatenation of the stages and dynamic fusion
        if self.fuse_stages:
            fused = conv2d_split(results, self.fuse1.weight, self.fuse1.bias, padding=1)  # conv(cat[h_1, .., h_S])
            z = self.attention(self.fuse2(fused))
        else:
            *_, z = results  # DirectNet of Table 9
        # Neither convolution has an activation, because their result must be signed. It is added to x (global residual
        # learning), which is the normalized image, so the two also have to undo the normalization.
        return [self.conv_out2(self.conv_out1(z)) + x]

    def _stage_results(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the results h_1, .., h_S of the stages, each (N, C, H, W), as soon as each is computed."""
        z = self.conv_in(x)
        for stage in self.stages:
            z = stage(z)
            yield z
