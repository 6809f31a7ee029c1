"""NAFNet: Chen et al., "Simple Baselines for Image Restoration", ECCV 2022 (arXiv 2204.04676).

This code was written from the paper's equations. The authors' code is https://github.com/megvii-research/NAFNet. The
modules have the same names as in the authors' code. The state dicts of both implementations therefore have the same
keys.

Differences from the authors' code:

* If a side of an image is not a multiple of ``2 ** levels``, :meth:`mmderain.models.Derainer.restore` pads the image by
  reflection. The authors' code pads with zeros.
* The paper has no deraining model. The default numbers of blocks were chosen for mmderain.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import conv1x1, conv3x3, maybe_checkpoint
from ..spec import NetworkSpec


class LayerNorm2d(nn.Module):
    """Normalize each pixel over its channels to zero mean and unit variance, then scale and shift (Ba et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        # In the memory layout channels_last, the permutations need no copy.
        return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, 1e-6).permute(0, 3, 1, 2)


class SimpleGate(nn.Module):
    """Multiply the first half of the channels by the second half (Section 4)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C / 2, H, W) for (N, C, H, W)."""
        first, second = x.chunk(2, dim=1)
        return first * second


class NAFBlock(nn.Module):
    """Nonlinear activation free block (Fig. 3d): a convolutional and a feed-forward part, each with a residual path.

    Args:
        channels: number of input and output channels, C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = LayerNorm2d(channels)
        self.conv1 = conv1x1(channels, 2 * channels)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv1x1(channels, channels))
        self.conv3 = conv1x1(channels, channels)
        self.norm2 = LayerNorm2d(channels)
        self.conv4 = conv1x1(channels, 2 * channels)
        self.conv5 = conv1x1(channels, channels)
        self.sg = SimpleGate()
        # Both factors start at 0, so that each block of a new network is the identity.
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        y = self.sg(self.conv2(self.conv1(self.norm1(x))))
        y = y * self.sca(y)  # simplified channel attention (Section 4)
        x = torch.addcmul(x, self.conv3(y), self.beta)
        y = self.conv5(self.sg(self.conv4(self.norm2(x))))
        return torch.addcmul(x, y, self.gamma)


@MODELS.register_module()
class NAFNet(BaseModule):
    """Nonlinear activation free network: a U-Net of :class:`NAFBlock`, whose result is added to the image.

    Args:
        width: number of channels at full resolution. Each level of the encoder doubles it.
        encoder_blocks: number of blocks in each level of the encoder, from full resolution to coarse.
        middle_blocks: number of blocks at the coarsest resolution.
        decoder_blocks: number of blocks in each level of the decoder, from coarse to full resolution. The decoder must
            have as many levels as the encoder.
        image_channels: number of channels of input and result, 3 for images. :class:`PixelUnshuffled` sets a larger
            number.
        with_cp: whether to save memory in training by gradient checkpointing. The backward pass then computes the
            activations of each block again.
        init_cfg: config of mmengine's weight initialization. None keeps torch's initial weights, as the authors' code
            does.

    Raises:
        ValueError: encoder and decoder differ in the number of levels.
    """

    def __init__(
        self,
        width: int = 16,
        encoder_blocks: Sequence[int] = (1, 1, 2, 4),
        middle_blocks: int = 2,
        decoder_blocks: Sequence[int] = (1, 1, 1, 1),
        image_channels: int = 3,
        with_cp: bool = False,
        init_cfg: dict | Sequence[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(encoder_blocks) != len(decoder_blocks):
            raise ValueError(
                f'NAFNet: encoder_blocks and decoder_blocks must have the same length, found {list(encoder_blocks)} '
                f'({len(encoder_blocks)}) and {list(decoder_blocks)} ({len(decoder_blocks)})'
            )
        self.with_cp = with_cp
        smallest = 2 ** len(encoder_blocks)
        self.spec = NetworkSpec(min_size=smallest, size_multiple=smallest, bytes_per_pixel=64 * width)
        self.intro = conv3x3(image_channels, width)
        self.ending = conv3x3(width, image_channels)
        self.encoders, self.downs = nn.ModuleList(), nn.ModuleList()
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        channels = width
        for number in encoder_blocks:
            self.encoders.append(nn.Sequential(*(NAFBlock(channels) for _ in range(number))))
            self.downs.append(nn.Conv2d(channels, 2 * channels, 2, stride=2))
            channels *= 2
        self.middle_blks = nn.Sequential(*(NAFBlock(channels) for _ in range(middle_blocks)))
        for number in decoder_blocks:
            self.ups.append(nn.Sequential(conv1x1(channels, 2 * channels, bias=False), nn.PixelShuffle(2)))
            channels //= 2
            self.decoders.append(nn.Sequential(*(NAFBlock(channels) for _ in range(number))))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy images (N, 3, H, W), RGB in [0, 1]. H and W are multiples of ``2 ** len(encoder_blocks)``.

        Returns:
            A list with one result: derained images, (N, 3, H, W).
        """
        features, skips = self.intro(x), []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            features = self._run(encoder, features)
            skips.append(features)
            features = down(features)
        features = self._run(self.middle_blks, features)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            features = self._run(decoder, up(features) + skips.pop())
        return [x + self.ending(features)]

    def _run(self, blocks: nn.Module, features: Tensor) -> Tensor:
        """Run the blocks of a level one after the other."""
        for block in blocks.children():
            features = maybe_checkpoint(block, features, enabled=self.with_cp)
        return features
