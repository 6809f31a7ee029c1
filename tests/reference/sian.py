"""Plain formulation of SIAN: Pang et al., ACM MM 2020 (arXiv 2006.05049).

The fast network (``mmderain/models/networks/sian.py``) joins the eight convolutions of a ConvLSTM. It skips
the convolutions of the states in the first stage, because these states are zero. It never keeps more than one
difference of Gaussians in memory. Here no convolutions are joined or skipped.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmderain.models import SIAN
from mmderain.models.networks import sian

State = tuple[Tensor, Tensor]


class PlainSIAN(SIAN):
    """SIAN, with one statement for each step of the paper."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch; see :meth:`SIAN.forward` for argument and result."""
        x = x.contiguous()
        n, _, height, width = x.shape
        zeros = [x.new_zeros(n, self.embed.out_channels, height // s, width // s) for s in sian.SCALES]
        states: list[State] = [(zero, zero) for zero in zeros]  # (h, c) of each scale
        derained, results = x, []
        for _ in range(self.num_stages):
            features = self.embed(torch.cat([x, derained], dim=1))
            dogs = self._dogs(features) if self.scale_space is not None else [None] * len(sian.SCALES)
            scaled = [features if s == 1 else F.avg_pool2d(features, s) for s in sian.SCALES]
            inputs = [attend(part, f, dog) for part, f, dog in zip(self.attention, scaled, dogs, strict=True)]
            states = [lstm_step(cell, i, *state) for cell, i, state in zip(self.lstm, inputs, states, strict=True)]
            full, half, quarter = (h for h, _ in states)
            to_full, to_half = self.fusion
            rain = self.reconstruct(to_full(to_half(quarter, half, None), full, None))
            derained = x - rain
            results.append(derained)
        return results

    def _dogs(self, features: Tensor) -> list[Tensor]:
        """Return one tensor for each scale: its five differences of Gaussians, concatenated to (N, 5 C, h, w)."""
        dogs, blurred = [], self._blur(features, 0)
        for _ in sian.SCALES:
            layers = [blurred]
            for i in range(1, self.scale_space.layers):
                layers.append(self._blur(layers[-1], i))
            dogs.append(torch.cat([layers[i + 1] - layers[i] for i in range(len(layers) - 1)], dim=1))
            blurred = F.max_pool2d(layers[3], 2)  # the next octave starts here
        return dogs

    def _blur(self, x: Tensor, layer: int) -> Tensor:
        """Apply the Gaussian kernel of a layer to each channel."""
        kernel = self.scale_space.kernels[layer].expand(x.shape[1], 1, 3, 3)
        return F.conv2d(x, kernel, padding=1, groups=x.shape[1])


def attend(part: sian.ScaleAttention, features: Tensor, dog: Tensor | None) -> Tensor:
    """Weight the features F of a scale: Z = relu(conv(F + F * M)).

    The mask M is sigmoid(conv(DoG)), or 0 without attention.
    """
    features = part.conv_f(features)
    mask = torch.sigmoid(part.conv_m(dog)) if dog is not None else torch.zeros_like(features)
    return F.relu(part.conv_z(features + features * mask))


def lstm_step(cell: sian.ConvLSTM, x: Tensor, h: Tensor, c: Tensor) -> State:
    """Return the new (h, c).

    Each gate and the candidate are computed from one convolution of x and one convolution of h.
    """
    n = cell.channels
    weights, biases = cell.gates.weight.split(n), cell.gates.bias.split(n)
    f, i, o, j = (
        F.conv2d(x, weight[:, :n], bias, padding=1) + F.conv2d(h, weight[:, n:], padding=1)
        for weight, bias in zip(weights, biases, strict=True)
    )
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(j)
    h = torch.sigmoid(o) * torch.tanh(c)
    return h, c
