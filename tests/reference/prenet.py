"""PReNet: Ren et al., "Progressive Image Deraining Networks: A Better and Simpler Baseline", CVPR 2019.

This network is the peer with which the page on speed compares SIAN. It was written from the paper: six stages with the
same weights, each with a convolution, a ConvLSTM, five residual blocks and a convolution. A stage reads the rainy image
and the result of the stage before it. The number of parameters equals that of the paper, 168,963. There are no tricks:
the four gates of the ConvLSTM are four convolutions, and the states of the first stage are zeros.
"""

import torch
from torch import Tensor, nn

from mmderain.models import NetworkSpec
from mmderain.models.layers import conv3x3


class PReNet(nn.Module):
    """PReNet with ``num_stages`` stages and ``channels`` feature channels."""

    def __init__(self, num_stages: int = 6, channels: int = 32) -> None:
        super().__init__()
        self.num_stages = num_stages
        self.channels = channels
        self.spec = NetworkSpec()
        self.conv_in = conv3x3(6, channels)
        self.gates = nn.ModuleList(conv3x3(2 * channels, channels) for _ in 'ifgo')
        self.blocks = nn.ModuleList(
            nn.Sequential(conv3x3(channels, channels), nn.ReLU(), conv3x3(channels, channels), nn.ReLU())
            for _ in range(5)
        )
        self.conv_out = conv3x3(channels, 3)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the results of the stages, each (N, 3, H, W), for rainy images (N, 3, H, W)."""
        h = c = x.new_zeros(x.shape[0], self.channels, *x.shape[2:])
        results = [x]
        for _ in range(self.num_stages):
            features = torch.relu(self.conv_in(torch.cat([x, results[-1]], dim=1)))  # f_in
            i, f, g, o = (gate(torch.cat([features, h], dim=1)) for gate in self.gates)  # f_recurrent
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            features = h
            for block in self.blocks:  # f_res
                features = torch.relu(block(features) + features)
            results.append(x + self.conv_out(features))  # f_out, with the rainy image added
        return results[1:]
