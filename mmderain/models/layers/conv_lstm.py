"""Convolutional LSTM cell (SIAN)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import bias_of, conv3x3

State = tuple[Tensor, Tensor]


class ConvLSTM(nn.Module):
    """Convolutional LSTM cell without peepholes (Shi et al., NeurIPS 2015).

    In these formulas, ``*`` is a 3x3 convolution::

        f, i, o = sigmoid(W_f,i,o * [x; h] + b_f,i,o),   j = tanh(W_j * [x; h] + b_j)
        c' = f c + i j,   h' = o tanh(c')

    One convolution computes f, i, o and j. In the first step, h and c are 0. The first step therefore computes neither
    the convolution of h nor the forget gate f.

    Args:
        channels: number of channels of x, h and c.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        # Output channels: f, i, o, j. Input channels: x, h.
        self.gates = conv3x3(2 * channels, 4 * channels)

    def forward(self, x: Tensor, state: State | None) -> State:
        """Compute one step.

        Args:
            x: (N, C, H, W).
            state: (h, c) of the previous step, each (N, C, H, W); None for the first step.

        Returns:
            The new (h, c).
        """
        n = self.channels
        if state is None:
            gates = F.conv2d(x, self.gates.weight[n:, :n], bias_of(self.gates)[n:], padding=1)
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
