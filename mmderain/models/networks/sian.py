"""SIAN: Pang et al., ACM MM 2020.

"Single Image Deraining via Scale-space Invariant Attention Neural Network" (arXiv 2006.05049).

The paper leaves some choices open, and the authors' code differs from the paper in some points. In these cases, this
network follows the authors' code, so that the authors' weights fit:

* Section III-C: there is no ReLU between the convolution and the sigmoid of the attention mask. The paper has a ReLU
  there.
* Eqs. 7 and 9: each layer of the scale space is computed by a blur of the previous layer. In Eq. 7, every layer is a
  blur of the first layer. Each kernel has 3x3 values, even if a Gaussian of its sigma is wider. The factor k, which the
  paper does not give, is the cube root of 2, as in SIFT.
* Section III-D: one convolution with a ReLU precedes the ConvLSTM. The paper has two convolutions, and names no ReLU.
* Eq. 4: a convolution with ReLU follows each of the two concatenations. The paper has a single convolution after both,
  directly before the ResGroup.
* Eq. 4: the upsampling is bilinear, with the corner pixels aligned.
* Table V: the baseline also contains the ConvLSTM. The states of the ConvLSTM are zero, because there is only one
  stage.
* Algorithm 1 updates the weights after each image. The authors' code updates them after each batch. Section III-E gives
  a batch size of 18.
* Section III-B: a ReLU follows each convolution of a residual block and the sum. The paper names no ReLU there.
* Only the authors' code gives the number of channels (32), the size of the convolution kernels (3x3), the initial
  weights, and Adam's betas (0 and 0.999).

Two differences from the authors' model do not change the result:

* The authors' model contains the layers ``body.conv_m``, but never uses them. This network does not contain them.
* One convolution replaces the eight convolutions of a ConvLSTM (:class:`~mmderain.models.layers.ConvLSTM`).
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmderain.registry import MODELS

from ..layers import ConvLSTM, conv2d_split, conv3x3, maybe_checkpoint, upsample2x
from ..layers.conv_lstm import State
from ..spec import NetworkSpec
from ..tiling import Tile

#: Scales s of Eq. 2: the features have 1/s of the resolution of the image.
SCALES = (1, 2, 4)


def gaussian_kernel3x3(sigma: float) -> Tensor:
    """Return the Gaussian kernel of Eq. 8 at x, y = -1, 0, 1, scaled to sum 1, as (3, 3) float32."""
    line = torch.exp(-(torch.arange(-1.0, 2.0, dtype=torch.float64) ** 2) / (2 * sigma**2))
    kernel = line[:, None] * line[None, :]
    return (kernel / kernel.sum()).float()


class ScaleSpace(nn.Module):
    """Scale space of features: octaves of six layers with increasing Gaussian blur (Section III-C, Eqs. 7 to 11).

    The kernels are not trained, and they are not part of the checkpoint.
    """

    layers = 6
    sigma0 = 1.6
    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Each layer is computed by a blur of the previous layer. The variances of successive blurs add up. The variance
        # of a kernel is therefore the difference between the variances of two layers. As in SIFT, the input is assumed
        # to be blurred already, with sigma = 0.5. The first kernel therefore has sigma = sqrt(1.6^2 - 0.5^2) = 1.52,
        # which is sigma' of Eq. 9.
        ratio = 2 ** (1 / 3)  # k of Eq. 7
        sigmas = [math.sqrt(self.sigma0**2 - 0.5**2)]
        for i in range(self.layers - 1):
            previous = self.sigma0 * ratio**i
            sigmas.append(math.sqrt((previous * ratio) ** 2 - previous**2))
        kernels = torch.stack([gaussian_kernel3x3(sigma) for sigma in sigmas])
        self.register_buffer('kernels', kernels[:, None], persistent=False)

    def blur(self, x: Tensor, layer: int) -> Tensor:
        """Blur each channel with the kernel of a layer."""
        channels = x.shape[1]
        kernel = self.kernels[layer : layer + 1].expand(channels, -1, -1, -1)
        return F.conv2d(x, kernel, padding=1, groups=channels)

    def first_octave(self, features: Tensor) -> 'Octave':
        """Return the octave at the resolution of the features. Its first layer is f_(1) of Eq. 9."""
        return Octave(self, self.blur(features, 0))


class Octave:
    """Iterate over the six layers of an octave. Each layer is computed by a blur of the previous layer.

    In Eq. 7, each layer is a blur of the first layer instead.

    A layer is computed when the iteration reaches it. If all six layers were computed first, they would need more
    memory. The layers would also no longer be in the processor's cache when their differences are convolved.
    """

    def __init__(self, scale_space: ScaleSpace, first: Tensor) -> None:
        self.scale_space = scale_space
        self.first = first

    def __iter__(self) -> Iterator[Tensor]:
        layer = self.first
        yield layer
        for i in range(1, self.scale_space.layers):
            layer = self.scale_space.blur(layer, i)
            if i == 3:
                self.fourth = layer
            yield layer

    def next(self) -> 'Octave':
        """Return the octave at half the resolution (Eqs. 10 and 11).

        Call this method only after an iteration over this octave. The first layer of the new octave is the fourth layer
        of this octave after max pooling by 2. The fourth layer has the blur k^3 sigma = 2 sigma. At half the
        resolution, a blur of 2 sigma becomes sigma, the blur of a first layer. Max pooling helps to detect local
        extrema (Section III-C of the paper).
        """
        return Octave(self.scale_space, F.max_pool2d(self.fourth, 2))


class ScaleAttention(nn.Module):
    """Weight the features of one scale with a mask computed from the octave of this scale (Eqs. 2, 3 and 12)."""

    def __init__(self, channels: int, use_attention: bool) -> None:
        super().__init__()
        self.conv_f = conv3x3(channels, channels)
        self.conv_m = conv3x3(5 * channels, channels) if use_attention else None
        self.conv_z = conv3x3(channels, channels)

    def forward(self, features: Tensor, octave: Octave | None) -> Tensor:
        """Return weighted features.

        Args:
            features: (N, C, h, w).
            octave: the octave of this scale, with layers (N, C, h, w); None without attention.

        Returns:
            (N, C, h, w).
        """
        f = self.conv_f(features)  # Eq. 2: F_(s)
        if self.conv_m is not None and octave is not None:
            dog = (coarser - finer for finer, coarser in pairwise(octave))  # Eq. 12: differences of Gaussians
            mask = conv2d_split(dog, self.conv_m.weight, self.conv_m.bias, padding=1).sigmoid_()
            f = torch.addcmul(f, f, mask)  # Eq. 3: f + f * M
        return self.conv_z(f).relu_()  # the input of the ConvLSTM (Section III-D)


class Fusion(nn.Module):
    """Fuse a coarse scale with the next finer scale: upsample, concatenate and convolve (one step of Eq. 4)."""

    def __init__(self, channels: int, coarse_scale: int) -> None:
        super().__init__()
        self.conv = conv3x3(2 * channels, channels)
        self.coarse_scale = coarse_scale

    def forward(self, coarse: Tensor, fine: Tensor, tile: Tile | None) -> Tensor:
        """Return (N, C, h, w) from coarse (N, C, h // 2, w // 2) and fine (N, C, h, w)."""
        up = upsample2x(coarse, tile, self.coarse_scale)
        # If a side is odd, average pooling drops its last row or column. Zeros replace it.
        down, right = fine.shape[-2] - up.shape[-2], fine.shape[-1] - up.shape[-1]
        if down or right:
            up = F.pad(up, (right // 2, right - right // 2, down // 2, down - down // 2))
        return self.conv(torch.cat([fine, up], dim=1)).relu_()


class ResBlock(nn.Module):
    """Residual block of ResGroup (Eq. 5), with a ReLU after each convolution and after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        return (x + self.conv2(self.conv1(x).relu_()).relu_()).relu_()


@MODELS.register_module()
class SIAN(BaseModule):
    """Scale-space invariant attention network, recurrent over stages that share their weights.

    Args:
        channels: number of feature channels C, 32 in the authors' model.
        num_stages: number of stages K, 6 in the paper (Algorithm 1); 1 for the row "Baseline" of Table V.
        use_attention: False sets the mask M to 0 (rows "Baseline" and "Baseline+LSTM" of Table V).
        image_channels: number of channels of input and result, 3 for images. :class:`PixelUnshuffled` sets a larger
            number.
        with_cp: whether to save memory in training by gradient checkpointing. The backward pass then computes the
            activations of each stage again.
        init_cfg: config of mmengine's weight initialization. None keeps torch's initial weights. The authors' code
            samples the weights from a normal distribution with standard deviation 0.02, and sets the biases to 0. The
            configs for the data sets of the paper do the same.

    With the default arguments, the network has 491,939 parameters. The authors' checkpoint contains 18,496 more
    parameters, which are never used.
    """

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
        self.with_cp = with_cp
        self.spec = NetworkSpec(
            min_size=4,  # scale 1/4 must have at least one pixel. size_multiple is 1: padding would change the result
            halo=64 * math.ceil(num_stages / 3),  # the receptive field grows with each stage
            bytes_per_pixel=112 * channels,
            takes_tile=True,
            export_multiple=4,
        )
        self.embed = conv3x3(2 * image_channels, channels)
        self.scale_space = ScaleSpace() if use_attention else None
        self.attention = nn.ModuleList(ScaleAttention(channels, use_attention) for _ in SCALES)
        self.lstm = nn.ModuleList(ConvLSTM(channels) for _ in SCALES)
        self.fusion = nn.ModuleList(Fusion(channels, scale) for scale in SCALES[1:])
        self.reconstruct = nn.Sequential(ResBlock(channels), ResBlock(channels), conv3x3(channels, image_channels))

    def forward(self, x: Tensor, tile: Tile | None = None) -> list[Tensor]:
        """Derain a batch.

        Args:
            x: rainy images X (N, 3, H, W), RGB in [0, 1]. H and W are at least 4.
            tile: the part of the images that ``x`` contains; None if ``x`` contains whole images.

        Returns:
            The derained images X_1, .., X_K of the stages, each (N, 3, H, W). X_K is the final result.
        """
        results: list[Tensor] = []
        states: Sequence[State | None] = [None] * len(SCALES)
        for _ in range(self.num_stages):
            previous = results[-1] if results else x
            features = self.embed(torch.cat([x, previous], dim=1))  # Eq. 1
            rain, states = maybe_checkpoint(self._stage, features, states, tile, enabled=self.with_cp)
            results.append(x - rain)  # Eq. 6
        return results

    def _stage(self, features: Tensor, states: Sequence[State | None], tile: Tile | None) -> tuple[Tensor, list[State]]:
        """Run one stage.

        Args:
            features: F, (N, C, H, W).
            states: states of the ConvLSTMs, finest scale first; None in the first stage.
            tile: as for :meth:`forward`.

        Returns:
            The rain R_k, (N, 3, H, W), and the new states.
        """
        octave = self.scale_space.first_octave(features) if self.scale_space is not None else None
        new_states = []
        for s, scale in enumerate(SCALES):
            scaled = features if scale == 1 else F.avg_pool2d(features, scale)  # Pooling(F, s) of Eq. 2
            attended = self.attention[s](scaled, octave)  # Eq. 3: F^a_(s)
            octave = octave.next() if octave is not None and scale < SCALES[-1] else None
            new_states.append(self.lstm[s](attended, states[s]))  # Section III-D
        full, half, quarter = (h for h, _ in new_states)
        half = self.fusion[1](quarter, half, tile)  # Eq. 4, inner part
        full = self.fusion[0](half, full, tile)  # Eq. 4, outer part: F^a
        return self.reconstruct(full), new_states  # Eq. 5: R_k
