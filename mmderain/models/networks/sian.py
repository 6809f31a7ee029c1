"""SIAN: Pang et al., "Single Image Deraining via Scale-space Invariant Attention Neural Network", ACM MM 2020
(arXiv 2006.05049).

Follows the authors' published model where it departs from the paper: no ReLU before the attention's sigmoid.
What the authors' model holds but never uses (``body.conv_m``) is left out. Differences in form, not in result:
a ConvLSTM's eight convolutions are one; the first stage, whose states are zero, skips what they would feed.
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import conv2d_split, conv3x3, maybe_checkpoint
from ..tiling import current_tile

SCALES = (1, 2, 4)
State = tuple[Tensor, Tensor]


def gaussian_kernel3x3(sigma: float) -> Tensor:
    """(3, 3), float32, sum 1: exp(-(x^2 + y^2) / (2 sigma^2)) on {-1, 0, 1}^2."""
    line = torch.exp(-(torch.arange(-1.0, 2.0, dtype=torch.float64) ** 2) / (2 * sigma**2))
    kernel = line[:, None] * line[None, :]
    return (kernel / kernel.sum()).float()


class ScaleSpacePyramid(nn.Module):
    """The differences of Gaussians (DoG) of the features, at scales 1, 1/2 and 1/4.

    An octave is six successive 3x3 blurs, whose five differences are the DoG; the next octave starts from the pooled
    fourth of them. The kernels are fixed and no part of the checkpoint.
    """

    layers = 6
    sigma0 = 1.6

    def __init__(self) -> None:
        super().__init__()
        ratio = 2 ** (1 / 3)
        sigmas = [math.sqrt(self.sigma0**2 - 0.5**2)]
        for i in range(self.layers - 1):
            previous = self.sigma0 * ratio**i
            sigmas.append(math.sqrt((previous * ratio) ** 2 - previous**2))
        kernels = torch.stack([gaussian_kernel3x3(sigma) for sigma in sigmas])
        self.register_buffer('kernels', kernels[:, None], persistent=False)

    def _blur(self, x: Tensor, layer: int) -> Tensor:
        # Blurs are not composed into one kernel: zero padding makes that wrong at the borders.
        channels = x.shape[1]
        return F.conv2d(x, self.kernels[layer : layer + 1].expand(channels, -1, -1, -1), padding=1, groups=channels)

    def forward(self, features: Tensor) -> Iterator[Iterator[Tensor]]:
        """(N, C, H, W) -> for each scale s = 1, 2, 4 in turn its DoG, five of (N, C, H // s, W // s), which are made
        as they are asked for: all five of a scale before the next scale.
        """
        start = [self._blur(features, 0)]
        for scale in SCALES:
            yield self._differences(start, scale == SCALES[-1])

    def _differences(self, start: list[Tensor], last: bool) -> Iterator[Tensor]:
        """Takes the octave's first layer from ``start`` and, unless it is the last, leaves the next octave's there."""
        blurred = start.pop()
        for i in range(1, self.layers):
            further = self._blur(blurred, i)
            if i == 3 and not last:
                start.append(F.max_pool2d(further, 2))
            yield further - blurred
            blurred = further


class ScaleAttention(nn.Module):
    """Features of one scale, weighted by the mask that scale space gives."""

    def __init__(self, channels: int, use_attention: bool) -> None:
        super().__init__()
        self.conv_f = conv3x3(channels, channels)
        self.conv_m = conv3x3(5 * channels, channels) if use_attention else None
        self.conv_z = conv3x3(channels, channels)

    def forward(self, features: Tensor, dogs: Iterator[Tensor] | None) -> Tensor:
        """features (N, C, h, w), dogs five of that shape or None without attention -> (N, C, h, w)."""
        features = self.conv_f(features)
        if self.conv_m is not None:
            mask = conv2d_split(dogs, self.conv_m.weight, self.conv_m.bias, padding=1).sigmoid_()
            features = torch.addcmul(features, features, mask)
        return self.conv_z(features).relu_()


class ConvLSTM(nn.Module):
    """Convolutional LSTM cell without peepholes; its state is carried from stage to stage."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        # Outputs: forget, input, output gate, candidate. Inputs: x, then h. The bias is x's.
        self.gates = conv3x3(2 * channels, 4 * channels)

    def forward(self, x: Tensor, state: State | None) -> State:
        """x (N, C, h, w), state (h, c) of the stage before, None for zeros -> the new (h, c)."""
        n = self.channels
        if state is None:
            # h = 0 feeds nothing and c = 0 leaves nothing to forget.
            weight, bias = self.gates.weight[n:, :n], self.gates.bias[n:]
            gates = F.conv2d(x, weight, bias, padding=1)
            (i, o), j = torch.sigmoid(gates[:, : 2 * n]).chunk(2, dim=1), torch.tanh(gates[:, 2 * n :])
            del gates
            c = i * j
        else:
            h, c = state
            gates = self.gates(torch.cat([x, h], dim=1))
            (f, i, o), j = torch.sigmoid(gates[:, : 3 * n]).chunk(3, dim=1), torch.tanh(gates[:, 3 * n :])
            del gates
            c = (f * c).addcmul_(i, j)
        return o * torch.tanh(c), c


class Fusion(nn.Module):
    """Brings a coarse scale to the next finer one: upsample, concatenate, convolve."""

    def __init__(self, channels: int, coarse_scale: int) -> None:
        super().__init__()
        self.conv = conv3x3(2 * channels, channels)
        self.coarse_scale = coarse_scale

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """coarse (N, C, h // 2, w // 2), fine (N, C, h, w) -> (N, C, h, w)."""
        tile = current_tile()
        if tile is None:
            up = F.interpolate(coarse, scale_factor=2, mode='bilinear', align_corners=True)
        else:
            up = upsample_lines(coarse, 2, tile.rows.start, tile.picture[0], self.coarse_scale)
            up = upsample_lines(up, 3, tile.columns.start, tile.picture[1], self.coarse_scale)
        # Pooling dropped an odd row or column; zeros take its place.
        down, right = fine.shape[-2] - up.shape[-2], fine.shape[-1] - up.shape[-1]
        if down or right:
            up = F.pad(up, (right // 2, right - right // 2, down // 2, down - down // 2))
        return self.conv(torch.cat([fine, up], dim=1)).relu_()


def upsample_lines(coarse: Tensor, dim: int, start: int, whole: int, scale: int) -> Tensor:
    """The part of a linear upsampling by 2 (``align_corners=True``) of a whole picture that falls on a tile: where a
    line comes from depends on the size of the whole.

    Args:
        coarse: lines of a tile, along ``dim``.
        start, whole: where the tile begins, and the side of the picture, px of the picture.
        scale: pixels of the picture a line of ``coarse``.
    """
    lines, first, last = coarse.shape[dim], start // scale, whole // scale - 1
    place = torch.arange(2 * lines, dtype=torch.float64, device=coarse.device)
    place = ((place + 2 * first) * (last / (2 * last + 1)) - first).clamp(0, lines - 1)
    before = place.long()
    share = (place - before).to(coarse.dtype).view([-1 if d == dim else 1 for d in range(4)])
    a, b = (coarse.index_select(dim, line) for line in (before, (before + 1).clamp(max=lines - 1)))
    return torch.lerp(a, b, share)


class ResBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.conv2(self.conv1(x).relu_()).relu_()).relu_()


@MODELS.register_module()
class SIAN(BaseModule):
    """Scale-space invariant attention network, recurrent over stages that share their weights.

    Args:
        channels: width, 32 in the paper.
        num_stages: K, 6 in the paper; 1 is the baseline of its Table V.
        use_attention: False sets the mask M to 0 (rows "baseline" and "+ LSTM" of Table V).
        image_channels: channels of the image, 3; more behind :class:`PixelUnshuffled`.
        with_cp: less memory in training: a stage's insides are computed again in the backward pass.
        init_cfg: mmengine's weight initialisation; the paper's is torch's default.

    Parameters at the defaults: 491,939 (the authors' checkpoint holds 18,496 more that are never used).
    """

    channel_order = 'rgb'
    min_size = 4  # the quarter scale must keep a pixel; padding to a multiple would change the answer

    def __init__(
        self,
        channels: int = 32,
        num_stages: int = 6,
        use_attention: bool = True,
        image_channels: int = 3,
        with_cp: bool = False,
        init_cfg: dict | Sequence[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_stages < 1:
            raise ValueError(f'SIAN needs num_stages >= 1, found {num_stages}')
        self.num_stages = num_stages
        self.bytes_per_pixel = 112 * channels
        # A tile's core is then the whole picture's to rounding; each stage carries what it saw on to the next.
        self.halo = 64 * -(-num_stages // 3)
        self.with_cp = with_cp
        self.embed = conv3x3(2 * image_channels, channels)
        self.pyramid = ScaleSpacePyramid() if use_attention else None
        self.attention = nn.ModuleList(ScaleAttention(channels, use_attention) for _ in SCALES)
        self.lstm = nn.ModuleList(ConvLSTM(channels) for _ in SCALES)
        self.fusion = nn.ModuleList(Fusion(channels, scale) for scale in SCALES[1:])
        self.reconstruct = nn.Sequential(ResBlock(channels), ResBlock(channels), conv3x3(channels, image_channels))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy pictures (N, 3, H, W), RGB in [0, 1], H and W at least 4.

        Returns:
            The derained pictures X_1 .. X_K of the stages, each (N, 3, H, W); the last is the answer.
        """
        results: list[Tensor] = []
        states: list[State | None] = [None] * len(SCALES)
        for _ in range(self.num_stages):
            features = self.embed(torch.cat([x, results[-1] if results else x], dim=1))
            rain, states = maybe_checkpoint(self._stage, features, states, enabled=self.with_cp)
            results.append(x - rain)
        return results

    def _stage(self, features: Tensor, states: list[State | None]) -> tuple[Tensor, list[State]]:
        # The zip asks for a scale's DoG after the scale before it has used its own up.
        dogs = self.pyramid(features) if self.pyramid is not None else [None] * len(SCALES)
        new_states = []
        parts = zip(SCALES, dogs, self.attention, self.lstm, states, strict=True)
        for scale, of_scale, attention, lstm, state in parts:
            scaled = features if scale == 1 else F.avg_pool2d(features, scale)
            new_states.append(lstm(attention(scaled, of_scale), state))
        full, half, quarter = (h for h, _ in new_states)
        to_full, to_half = self.fusion
        return self.reconstruct(to_full(to_half(quarter, half), full)), new_states
