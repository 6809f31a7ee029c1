"""Plain formulation of JDNet: Wang et al., ACM MM 2020 (arXiv 2008.02763).

The fast network (``mmderain/models/networks/jdnet.py``) fuses the scales before it upsamples them. It convolves the
features of earlier units for several later units at once, and computes the attention in a loop over shifts. Here all
features are upsampled, concatenated and unfolded, as in the paper.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmderain.models import JDNet
from mmderain.models.layers import PairwiseSelfAttention
from mmderain.models.networks import jdnet


def lrelu(x: Tensor) -> Tensor:
    """Apply the leaky ReLU with slope 0.2."""
    return F.leaky_relu(x, jdnet.SLOPE)


class PlainJDNet(JDNet):
    """JDNet that concatenates all earlier features after each unit."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """Derain a batch; see :meth:`JDNet.forward` for argument and result."""
        x = x.contiguous()
        out = lrelu(self.conv_in(x))
        features = [out]
        for unit, fuse in zip(self.units, self.fuse, strict=True):
            for part in unit:
                out = PLAIN_PARTS[type(part)](part, out)
            features.append(out)
            out = lrelu(fuse(torch.cat(features, dim=1)))
        rain = lrelu(self.conv_out(out))
        return [x - rain]


def self_attention(part: jdnet.SelfAttention, x: Tensor) -> Tensor:
    """Apply the pre-activation residual block that contains the pairwise attention."""
    y = pairwise_attention(part.attention, lrelu(part.norm1(x)))
    return x + part.conv(lrelu(part.norm2(y)))


def pairwise_attention(layer: PairwiseSelfAttention, x: Tensor) -> Tensor:
    """Apply the pairwise attention (Zhao et al., CVPR 2020) with all neighbors unfolded.

    The weight of neighbor j of pixel i is the softmax over j of ``conv(conv(lrelu([q_i - k_j ; p_i - p_j])))``. The
    result for pixel i is the weighted sum of v_j.

    Args:
        layer: layer with the weights.
        x: (N, in_channels, H, W).

    Returns:
        (N, out_channels, H, W).
    """
    n, _, h, w = x.shape
    margin, size = layer.window // 2, layer.window**2

    def around(t: Tensor) -> Tensor:
        """Return the neighbors of each pixel, (N, C, window^2, H, W), with reflection at the borders."""
        t = F.pad(t, (margin,) * 4, mode='reflect')
        return F.unfold(t, layer.window).view(t.shape[0], -1, size, h, w)

    q, k, v = layer.query(x), layer.key(x), layer.value(x)
    line = dict(dtype=x.dtype, device=x.device)
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, h, **line), torch.linspace(-1, 1, w, **line), indexing='ij')
    p = layer.position(torch.stack([columns, rows])[None])  # the channels are x and y
    of_features = q[:, :, None] - around(k)
    of_positions = (p[:, :, None] - around(p)).expand(n, -1, -1, -1, -1)
    relation = F.leaky_relu(torch.cat([of_features, of_positions], dim=1), layer.slope)
    logits = layer.logit(layer.reduce(relation.flatten(2, 3))).view(n, 1, size, h, w)
    return (torch.softmax(logits, dim=2) * around(v)).sum(2)


def scale_aggregation(part: jdnet.ScaleAggregation, x: Tensor) -> Tensor:
    """Upsample the coarser scales to full size, concatenate them with the input, and fuse them."""
    maps, coarse = [x], x
    for scale in part.coarser:
        coarse = lrelu(scale.down(coarse))
        coarse = coarse + scale.conv2(lrelu(scale.conv1(coarse)))
        maps.append(F.interpolate(coarse, x.shape[-2:], mode='nearest'))
    return lrelu(part.fuse(torch.cat(maps, dim=1))) + x


def self_calibration(part: jdnet.SelfCalibratedBottleneck, x: Tensor) -> Tensor:
    """Apply a plain branch and a branch that is gated by its own context, and fuse both branches."""
    u = lrelu(part.plain(lrelu(part.plain_in(x))))
    w = lrelu(part.gated_in(x))
    context = F.interpolate(part.context(F.avg_pool2d(w, 4)), w.shape[-2:], mode='nearest')
    w = lrelu(part.gated_out(part.gated(w) * torch.sigmoid(w + context)))
    return lrelu(x + part.out(torch.cat([u, w], dim=1)))


#: Maps the class of each part of a unit to the plain formulation of this part.
PLAIN_PARTS = {
    jdnet.SelfAttention: self_attention,
    jdnet.ScaleAggregation: scale_aggregation,
    jdnet.SelfCalibratedBottleneck: self_calibration,
}
