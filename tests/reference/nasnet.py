"""Plain formulation of NASNet: Qin and Wang, 2019 (arXiv 1912.03151).

The fast network (``mmderain/models/networks/nasnet.py``) replaces each convolution of concatenated features by a sum
of convolutions. Here the features are concatenated, as in the paper.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmderain.models import NASNet
from mmderain.models.networks import nasnet


class PlainNASNet(NASNet):
    """NASNet, with one statement for each formula of the paper."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch; see :meth:`NASNet.forward` for argument and result."""
        x = x.contiguous()
        results = [self.conv_in(x)]
        for stage in self.stages:
            t = results[-1]
            for block in stage.blocks:
                inner = F.relu(block.conv1(t))
                t = t + neuron_attention(block.attention, block.conv2(torch.cat([t, inner], dim=1)))
            results.append(results[-1] + stage.conv(t))
        z = results[-1]
        if self.fuse_stages:
            z = neuron_attention(self.attention, self.fuse2(self.fuse1(torch.cat(results[1:], dim=1))))
        return [self.conv_out2(self.conv_out1(z)) + x]


def neuron_attention(part: nn.Module, x: Tensor) -> Tensor:
    """Weight each value by its neighbors and by the other channels.

    If ``part`` is not a neuron attention, return ``part(x)``.
    """
    if not isinstance(part, nasnet.NeuronAttention):
        return part(x)
    return x * torch.sigmoid(part.channels(F.relu(part.surroundings(x))))
