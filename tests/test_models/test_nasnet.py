import pytest
import torch
import torch.nn.functional as F
from golden import authors_keys, expected, fill, image
from torch import Tensor

from mmderain.hub.convert import convert
from mmderain.models import Derainer, NASNet
from mmderain.models.networks.nasnet import build_attention


def plain_nasnet(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """Compute the network by the formulas of the paper, with the authors' key names."""

    def conv(key, t, groups=1):
        kernel = weights[f'{key}.weight']
        return F.conv2d(t, kernel, weights[f'{key}.bias'], padding=kernel.shape[-1] // 2, groups=groups)

    def attend(key, t):
        return t * torch.sigmoid(conv(f'{key}.att.2', F.relu(conv(f'{key}.att.0', t, groups=64))))

    h, stages = conv('pre.0', x), []
    for s in range(3):
        t = h
        for b in range(18):
            inner = F.relu(conv(f'stages.{s}.s.{b}.conv1', t))
            t = t + attend(f'stages.{s}.s.{b}.attlayer', conv(f'stages.{s}.s.{b}.conv2', torch.cat([t, inner], 1)))
        h = h + conv(f'stages.{s}.s.18', t)
        stages.append(h)
    z = attend('fusion_att', conv('fusion_sub.1', conv('fusion_sub.0', torch.cat(stages, 1))))
    return conv('post.1', conv('post.0', z)) + x


def converted(weights: dict[str, Tensor]) -> NASNet:
    network = NASNet()
    source = dict(step=3, model={f'module.{k}': v for k, v in weights.items()})
    network.load_state_dict(convert('nasnet', source))
    return network.eval()


CASES = [('nasnet_golden_seed1', 1, (2, 48, 64)), ('nasnet_odd_seed4', 4, (1, 45, 70))]


@pytest.mark.parametrize('name, seed, size', CASES)
def test_network_equals_the_plain_formulas_in_double_precision(name, seed, size):
    # With the full weights of the residual branches, rounding errors change the result completely. Therefore these
    # weights are divided by 10.
    weights = {k: v.double() * (0.1 if 'conv2' in k else 1) for k, v in fill(authors_keys('nasnet'), seed).items()}
    x = image(*size, seed).double()
    with torch.no_grad():
        (result,), target = converted(weights).double()(x), plain_nasnet(weights, x)
    assert (result - target).abs().max() < 1e-6 * target.abs().max()  # the converted weights are rounded to float32


@pytest.mark.parametrize('name, seed, size', CASES)
def test_plain_formulas_reproduce_the_authors_output(name, seed, size):
    """With these weights, noise of 1e-6 in the input changes the output completely.

    Therefore the authors' outputs are reproduced only if each convolution rounds as in the authors' code. The plain
    formulas round in this way. The network sums its convolutions in another order. Therefore the test above compares
    the network with the plain formulas.
    """
    weights, x, target = fill(authors_keys('nasnet'), seed), image(*size, seed), expected(name)
    with torch.no_grad():
        error = (plain_nasnet(weights, x) - target).abs().max() / target.abs().max()
        noisy = (plain_nasnet(weights, x + 1e-6 * torch.rand_like(x)) - target).abs().max() / target.abs().max()
    if error > 1e-5 and noisy > 0.1:
        pytest.skip('convolutions are rounded differently on this machine than on the machine of the stored outputs')
    assert error < 1e-5


@pytest.mark.parametrize(
    'settings, count',
    [
        ({}, 6_508_931),
        (dict(attention=None), 6_244_931),  # this count and the one above it are in Table 6 of the paper
        # 54 + 1 SE blocks of 64 -> 4 -> 64 channels, with biases, replace the 55 neuron attentions
        (dict(attention='se'), 6_244_931 + 55 * (2 * 64 * 4 + 4 + 64)),
        (dict(fuse_stages=False), 6_508_931 - (192 * 64 * 9 + 64) - (64 * 64 + 64) - 4_800),
    ],
)
def test_networks_have_the_known_number_of_parameters(settings, count):
    assert sum(p.numel() for p in NASNet(**settings).parameters()) == count


def test_neuron_attention_with_known_weights_gives_the_known_result():
    layer = build_attention('neuron', 2)
    torch.nn.init.zeros_(layer.surroundings.weight)
    layer.surroundings.bias.data = torch.tensor([1.0, -1.0])  # relu: 1 and 0
    layer.channels.weight.data = torch.tensor([[2.0, 5.0], [-1.0, 5.0]]).view(2, 2, 1, 1)
    torch.nn.init.zeros_(layer.channels.bias)
    x = torch.rand(1, 2, 3, 3)
    wanted = x * torch.sigmoid(torch.tensor([2.0, -1.0])).view(1, 2, 1, 1)
    assert torch.allclose(layer(x), wanted)
    with pytest.raises(ValueError, match="found 'neural'"):
        build_attention('neural', 2)


@pytest.mark.parametrize('size', [(1, 1), (1, 5), (2, 3), (9, 4)])
def test_network_accepts_any_size(size):
    x = torch.rand(1, 3, *size)
    with torch.no_grad():
        assert NASNet(8, 1, 2)(x)[0].shape == x.shape


def test_input_is_normalized_and_result_is_in_unit_range():
    mean, std = [0.2, 0.3, 0.4], [0.5, 0.4, 0.2]
    model = Derainer(dict(type='NASNet', channels=8, num_stages=1, num_blocks=1), mean=mean, std=std)
    for parameter in model.network.parameters():  # only the skip connection from the input remains
        torch.nn.init.zeros_(parameter)
    x = torch.rand(1, 3, 4, 4)
    wanted = (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    assert torch.allclose(model.stages(x)[-1], wanted, atol=1e-6)
    assert torch.allclose(model.restore(x), wanted.clamp(0, 1), atol=1e-6)


def test_squeeze_and_excitation_needs_the_whole_image():
    """Squeeze and excitation computes means of the whole image. No halo is wide enough for this, so 64 is declared."""
    specs = [NASNet(channels=16, num_stages=1, num_blocks=2, attention=kind).spec for kind in ('neuron', None, 'se')]
    assert [spec.halo for spec in specs] == [13, 11, 64]
