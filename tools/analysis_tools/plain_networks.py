"""The four networks step by step as their papers and the authors' codes write them: what the fast ones are tested
against and measured by. Parameters and their names are those of the fast ones, so weights fit both.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmderain.models import SIAN, JDNet, MAFNet, NASNet
from mmderain.models.layers import PairwiseSelfAttention
from mmderain.models.networks import jdnet, mafnet, nasnet, sian


class PlainSIAN(SIAN):
    """Eight convolutions a ConvLSTM, states that start as zeros, differences of Gaussians concatenated one by one."""

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x.contiguous()
        n, _, h, w = x.shape
        zeros = [x.new_zeros(n, self.embed.out_channels, h // s, w // s) for s in sian.SCALES]
        states = [(zero, zero) for zero in zeros]
        derained, results = x, []
        for _ in range(self.num_stages):
            features = self.embed(torch.cat([x, derained], dim=1))
            dogs = self._dogs(features) if self.scale_space is not None else [None] * len(sian.SCALES)
            scaled = [features if s == 1 else F.avg_pool2d(features, s) for s in sian.SCALES]
            inputs = [self._attend(part, f, dog) for part, f, dog in zip(self.attention, scaled, dogs, strict=True)]
            states = [lstm_step(cell, i, *state) for cell, i, state in zip(self.lstm, inputs, states, strict=True)]
            full, half, quarter = (state[0] for state in states)
            to_full, to_half = self.fusion
            derained = x - self.reconstruct(to_full(to_half(quarter, half, None), full, None))
            results.append(derained)
        return results

    def _dogs(self, features: Tensor) -> list[Tensor]:
        blurred, dogs = self.scale_space.blur(features, 0), []
        for _ in sian.SCALES:
            dog = None
            for i in range(1, self.scale_space.layers):
                further = self.scale_space.blur(blurred, i)
                difference = further - blurred
                dog = difference if dog is None else torch.cat([dog, difference], dim=1)
                blurred = further
                if i == 3:
                    start = F.max_pool2d(blurred, 2)
            dogs.append(dog)
            blurred = start
        return dogs

    @staticmethod
    def _attend(part: sian.ScaleAttention, features: Tensor, dog: Tensor | None) -> Tensor:
        features = part.conv_f(features)
        mask = torch.sigmoid(part.conv_m(dog)) if dog is not None else torch.zeros_like(features)
        return F.relu(part.conv_z(features + features * mask))


def lstm_step(cell: sian.ConvLSTM, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Gate by gate, no step left out: forget, input, output, candidate, each from a convolution on x and one on h."""
    n = cell.channels
    gates = []
    for g in range(4):
        rows = slice(g * n, (g + 1) * n)
        on_x = F.conv2d(x, cell.gates.weight[rows, :n], cell.gates.bias[rows], padding=1)
        gates.append(on_x + F.conv2d(h, cell.gates.weight[rows, n:], padding=1))
    f, i, o, j = gates
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(j)
    return torch.sigmoid(o) * torch.tanh(c), c


def lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, jdnet.SLOPE)


class PlainJDNet(JDNet):
    """Attention unfolded, scales brought up before they are fused, a growing concatenation for every unit."""

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x.contiguous()
        out = lrelu(self.conv_in(x))
        features = [out]
        for unit, gather in zip(self.units, self.fuse, strict=True):
            for part in unit:
                out = PLAIN_PARTS[type(part)](part, out)
            features.append(out)
            out = lrelu(gather(torch.cat(features, dim=1)))
        return [x - lrelu(self.conv_out(out))]


def self_attention(part: jdnet.SelfAttention, x: Tensor) -> Tensor:
    return x + part.conv(lrelu(part.norm2(pairwise_attention(part.attention, lrelu(part.norm1(x))))))


def pairwise_attention(layer: PairwiseSelfAttention, x: Tensor) -> Tensor:
    """Everything unfolded, the two convolutions one after the other, as in the authors' description."""
    n, _, h, w = x.shape
    m, size = layer.window // 2, layer.window**2

    def around(t: Tensor) -> Tensor:
        t = F.pad(t, (m,) * 4, mode='reflect')
        return F.unfold(t, layer.window).view(t.shape[0], -1, size, h, w)

    q, k, v = layer.query(x), layer.key(x), layer.value(x)
    line = dict(dtype=x.dtype, device=x.device)
    grid = torch.meshgrid(torch.linspace(-1, 1, h, **line), torch.linspace(-1, 1, w, **line), indexing='ij')
    p = layer.position(torch.stack(grid[::-1])[None])  # x, then y
    of_features = q[:, :, None] - around(k)
    of_positions = (p[:, :, None] - around(p)).expand(n, -1, -1, -1, -1)
    relation = F.leaky_relu(torch.cat([of_features, of_positions], dim=1), layer.slope)
    logits = layer.logit(layer.reduce(relation.flatten(2, 3))).view(n, 1, size, h, w)
    return (torch.softmax(logits, dim=2) * around(v)).sum(2)


def scale_aggregation(part: jdnet.ScaleAggregation, x: Tensor) -> Tensor:
    maps, coarse = [x], x
    for scale in part.coarser:
        coarse = lrelu(scale.down(coarse))
        coarse = coarse + scale.conv2(lrelu(scale.conv1(coarse)))
        maps.append(F.interpolate(coarse, x.shape[-2:], mode='nearest'))
    return lrelu(part.fuse(torch.cat(maps, dim=1))) + x


def self_calibration(part: jdnet.SelfCalibratedBottleneck, x: Tensor) -> Tensor:
    u = lrelu(part.plain(lrelu(part.plain_in(x))))
    w = lrelu(part.gated_in(x))
    context = F.interpolate(part.context(F.avg_pool2d(w, 4)), w.shape[-2:], mode='nearest')
    w = lrelu(part.gated_out(part.gated(w) * torch.sigmoid(w + context)))
    return lrelu(x + part.out(torch.cat([u, w], dim=1)))


PLAIN_PARTS = {
    jdnet.SelfAttention: self_attention,
    jdnet.ScaleAggregation: scale_aggregation,
    jdnet.SelfCalibratedBottleneck: self_calibration,
}


class PlainNASNet(NASNet):
    """The formulas one by one. ``attention='neuron'`` or None."""

    def forward(self, x: Tensor) -> list[Tensor]:
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


def neuron_attention(part: torch.nn.Module, x: Tensor) -> Tensor:
    if not isinstance(part, nasnet.NeuronAttention):
        return part(x)
    return x * torch.sigmoid(part.channels(F.relu(part.surroundings(x))))


class PlainMAFNet(MAFNet):
    """Attention maps written out; keys and values for every pixel, then pooled."""

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x.contiguous()
        scales = [conv(level) for conv, level in zip(self.conv_in, self.pyramid(x), strict=True)]
        scales = interact(self.spatial_in, scales)
        for module in self.body:
            halved = [F.leaky_relu(part[0](t), mafnet.SLOPE) for part, t in zip(module.down, scales, strict=True)]
            halved = interact(module.channel, halved)
            grown = [F.pixel_shuffle(part[0](t), 2) for part, t in zip(module.up, halved, strict=True)]
            scales = [t + F.leaky_relu(y, mafnet.SLOPE) for t, y in zip(scales, grown, strict=True)]
            scales = interact(module.spatial, scales)
        fused = self.fuse(torch.cat([mafnet.upsample_to(scales[0], scale) for scale in scales], dim=1))
        return [x - self.conv_out(F.leaky_relu(fused, mafnet.SLOPE))]


def interact(cross: mafnet.CrossScale, scales: list[Tensor]) -> list[Tensor]:
    out = list(scales)
    for s in reversed(range(len(scales))):
        source = out if cross.coarse_to_fine else scales
        coarser = scales[s] if cross.isolated else source[min(s + 1, len(scales) - 1)]
        part = cross.interactions[s]
        attend = {mafnet.SpatialAttention: spatial_attention, mafnet.ChannelAttention: channel_attention}.get(
            type(part)
        )
        out[s] = part(scales[s], coarser) if attend is None else attend(part, scales[s], coarser)
    return out


def haar(x: Tensor) -> Tensor:
    """One level of the orthonormal Haar wavelet.

    Args:
        x: (N, C, H, W), H and W even.

    Returns:
        (N, 4, C, H / 2, W / 2): the bands LL, HL (differences along x), LH (along y), HH.
    """
    a, b = x[..., ::2, ::2], x[..., ::2, 1::2]
    c, d = x[..., 1::2, ::2], x[..., 1::2, 1::2]
    return torch.stack([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], dim=1) / 2


def rearrange_bands(x: Tensor) -> Tensor:
    """FRCB: the Haar bands, each brought back to full size by pixel-shuffle.

    Args:
        x: (N, C, H, W), H and W even, C a multiple of 4.

    Returns:
        (N, 4, C / 4, H, W): group g holds band LL, HL, LH, HH.
    """
    return F.pixel_shuffle(haar(x), 2)


def spatial_attention(part: mafnet.SpatialAttention, large: Tensor, small: Tensor) -> Tensor:
    q = rearrange_bands(part.query(large))
    k = mafnet.pool_anchors(rearrange_bands(part.key(small)))
    v = mafnet.pool_anchors(rearrange_bands(part.value(small)))
    per_pixel = q.flatten(3).transpose(2, 3)  # (N, bands, H W, C / 4)
    weights = torch.softmax(per_pixel @ k, dim=-1)  # over 110 anchors, no scaling
    return large + part.out((weights @ v.transpose(2, 3)).transpose(2, 3).reshape(large.shape))


def channel_attention(part: mafnet.ChannelAttention, large: Tensor, small: Tensor) -> Tensor:
    q = mafnet.pool_anchors(part.query(large)).unflatten(1, (part.num_heads, -1))
    k = mafnet.pool_anchors(part.key(small)).unflatten(1, (part.num_heads, -1))
    v = part.value(large).flatten(2).unflatten(1, (part.num_heads, -1))
    mix = torch.softmax(k @ q.transpose(-1, -2), dim=-2)  # rows are K's channels
    return large + (mix.transpose(-1, -2) @ v).reshape(large.shape)


#: The plain formulation of each network.
PLAIN = {SIAN: PlainSIAN, JDNet: PlainJDNet, NASNet: PlainNASNet, MAFNet: PlainMAFNet}
