"""NASNet: Qin and Wang, 2019.

"NASNet: A Neuron Attention Stage-by-Stage Net for Single Image Deraining" (arXiv 1912.03151). A network from neural
architecture search has the same name, but is unrelated.

The paper leaves some choices open. This network makes the same choices as the authors' code. The parameter counts of
Table 6 and the outputs of the authors' code confirm these choices:

* A stage has 18 blocks.
* Fig. 2: the second convolution of a block reads the input of the block and the result of the first convolution.
* A convolution follows the blocks of a stage, before the long skip connection is added.
* A 3x3 convolution, a 1x1 convolution and the neuron attention fuse the results of the stages. Two 3x3 convolutions
  follow.
* The network reads normalized images, and adds the normalized rainy image to the result of the last convolution. The
  authors' code has a mean and a standard deviation for each data set. The paper does not mention them.
* The initial weights are torch's defaults. The paper and the code mention no other initialization.

The values of Eq. 5 are gates, which are multiplied by the input of the attention. The paper does not mention this
product. It only says that the attention recalibrates the features.

Three choices are ours, because the paper gives no details of these networks:

* The SE block of SENet in Table 7 has the reduction 16. Neither the paper nor the code names a number for this table.
  SE blocks also replace the neuron attention of the fusion.
* With one stage (Table 8), the fusion remains.
* DirectNet of Table 9 has no fusion. The two 3x3 convolutions after the fusion remain.

One difference from the paper does not change the result: a convolution of concatenated features is computed as a sum
of convolutions (:func:`~mmderain.models.layers.conv2d_split`).
"""

from collections.abc import Iterator, Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import conv1x1, conv2d_split, conv3x3, maybe_checkpoint
from ..spec import NetworkSpec


class NeuronAttention(nn.Module):
    """Multiply each value by a gate (Section 3.1).

    To compute the gates, a depthwise 3x3 convolution first reads the neighbors in each channel. A 1x1 convolution then
    mixes all channels at each pixel.
    """

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.surroundings = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.channels = conv1x1(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x * NA(x)``, (N, C, H, W), where NA is the depthwise convolution of Eq. 4 followed by Eq. 5."""
        return x * self.channels(self.surroundings(x).relu_()).sigmoid_()


def build_attention(kind: str | None, channels: int) -> nn.Module:
    """Build an attention module.

    Args:
        kind: ``'neuron'`` for :class:`NeuronAttention`, ``'se'`` for timm's squeeze and excitation with reduction 16,
            or None for no attention.
        channels: number of channels.
    """
    if kind == 'neuron':
        return NeuronAttention(channels)
    if kind == 'se':
        from timm.layers import SEModule  # only SENet of Table 7 needs timm

        return SEModule(channels, rd_channels=max(1, channels // 16))
    if kind is None:
        return nn.Identity()
    raise ValueError(f"NASNet: attention must be 'neuron', 'se' or None, found {kind!r}")


class Block(nn.Module):
    """Two convolutions, an attention module and a residual connection (Section 3.2 and Fig. 2).

    The second convolution also reads the input of the block. The paper calls this the short skip connection. The result
    of the attention module is added to the input of the block. The paper calls this local residual learning.
    """

    def __init__(self, channels: int, attention: str | None) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(2 * channels, channels)
        self.attention = build_attention(attention, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        # b = conv2(cat[x, a]) with a = relu(conv1(x)). The code has no variable for a, so that its memory is freed
        # early.
        b = conv2d_split((x, self.conv1(x).relu_()), self.conv2.weight, self.conv2.bias, padding=1)
        return self.attention(b).add_(x)  # local residual learning


class Stage(nn.Module):
    """Blocks and a convolution, with a long skip connection around them (Section 3.2)."""

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
        channels: number of feature channels C, 64 in the paper (Section 4.1).
        num_stages: number of stages, 3 in the paper and 1 to 4 in its Table 8.
        num_blocks: number of blocks in each stage. The default, 18, gives the number of parameters of Table 6.
        attention: ``'neuron'``, ``'se'`` (SENet of Table 7) or None (PlainNet of Table 7).
        fuse_stages: False leaves out the fusion of the stages. The result of the last stage then goes directly to the
            last two convolutions (DirectNet of Table 9).
        image_channels: number of channels of input and result, 3 for images. :class:`PixelUnshuffled` sets a larger
            number.
        with_cp: whether to save memory in training by gradient checkpointing. The backward pass then computes the
            activations of each block again.
        init_cfg: config of mmengine's weight initialization. None keeps torch's initial weights.

    The network reads normalized images. The mean and the standard deviation differ between data sets. They are settings
    of the ``Derainer`` that contains the network. The target of the network is the clean image in [0, 1]. With the
    default arguments, the network has 6,508,931 parameters. Without attention, it has 6,244,931 parameters (Table 6).
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
        # Each 3x3 convolution extends the receptive field by one pixel on each side. The depthwise convolution of the
        # neuron attention is one of them.
        convolutions_of_block = 3 if attention == 'neuron' else 2
        # The last term of the halo is 6: one pixel for each of conv_in, fuse1, attention, conv_out1 and conv_out2, and
        # one pixel as a reserve.
        halo = num_stages * (num_blocks * convolutions_of_block + 1) + 6
        self.spec = NetworkSpec(
            # Squeeze and excitation uses means over the whole image. No halo is wide enough for them. MAFNet and NAFNet
            # use such means too, and have the same halo.
            halo=64 if attention == 'se' else halo,
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
            A list with one result: derained images, (N, 3, H, W), RGB. After training, they are on the scale [0, 1].
        """
        results = self._stage_results(x)
        # Section 3.2 and Fig. 2: concatenation of the stages and dynamic fusion
        if self.fuse_stages:
            fused = conv2d_split(results, self.fuse1.weight, self.fuse1.bias, padding=1)  # conv(cat[h_1, .., h_S])
            z = self.attention(self.fuse2(fused))
        else:
            *_, z = results  # DirectNet of Table 9
        # The last two convolutions have no activation, because their result must be able to be negative. The result is
        # added to x (global residual learning). As x is the normalized image, the two convolutions also have to undo
        # the normalization.
        return [self.conv_out2(self.conv_out1(z)) + x]

    def _stage_results(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the results h_1, .., h_S of the S stages, (N, C, H, W), each directly after it is computed."""
        z = self.conv_in(x)
        for stage in self.stages:
            z = stage(z)
            yield z
