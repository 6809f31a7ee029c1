import pytest
import torch
from conftest import ROOT
from golden import authors_keys, expected, fill, image
from mmengine.config import Config

from mmderain.hub.convert import convert
from mmderain.models import SIAN
from mmderain.models.networks.sian import ScaleSpace
from mmderain.registry import MODELS


def with_authors_weights(seed: int) -> SIAN:
    network = SIAN()
    weights = convert('sian', fill(authors_keys('sian'), seed))
    network.load_state_dict(weights)
    return network.eval()


@pytest.mark.parametrize(
    'name, seed, size', [('sian_golden_seed1', 1, (2, 48, 64)), ('sian_odd_seed4', 4, (1, 45, 70))]
)
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_outputs_of_every_stage_equal_those_of_the_authors(name, seed, size, layout):
    target = expected(name)
    with torch.no_grad():
        stages = with_authors_weights(seed)(image(*size, seed).contiguous(memory_format=layout))
    assert len(stages) == 6
    assert (torch.stack(stages) - target).abs().max() < 1e-5 * target.abs().max()


@pytest.mark.parametrize(
    'settings, count',
    [
        ({}, 491_939),  # the authors' 510,435 parameters without 18,496 unused ones
        (dict(use_attention=False), 491_939 - 3 * (160 * 32 * 9 + 32)),
        (dict(num_stages=1, use_attention=False), 491_939 - 3 * (160 * 32 * 9 + 32)),
        (dict(channels=16, num_stages=3), 123_859),
    ],
)
def test_networks_have_the_known_number_of_parameters(settings, count):
    network = SIAN(**settings)
    assert sum(p.numel() for p in network.parameters()) == count
    # A checkpoint does not contain the fixed Gaussian kernels.
    assert sum(t.numel() for t in network.state_dict().values()) == count


def test_authors_checkpoint_has_unused_parameters():
    assert sum(t.numel() for t in fill(authors_keys('sian'), 0).values()) == 510_435 == 491_939 + 18_496


def test_gaussian_kernels_have_the_expected_sigmas():
    kernels = ScaleSpace().kernels[:, 0]
    assert torch.allclose(kernels.sum((1, 2)), torch.ones(6))
    # The ratio of centre to edge is exp(1 / (2 sigma^2)).
    sigmas = (1 / (2 * torch.log(kernels[:, 1, 1] / kernels[:, 0, 1]))) ** 0.5
    wanted = [1.519868, 1.226274, 1.545008, 1.946588, 2.452547, 3.090016]
    assert torch.allclose(sigmas, torch.tensor(wanted), atol=2e-4)


def test_network_without_attention_equals_one_with_masks_of_zero():
    full, bare = SIAN(8), SIAN(8, use_attention=False)
    weights = full.state_dict()
    bare.load_state_dict({k: v for k, v in weights.items() if 'conv_m' not in k})
    for attention in full.attention:  # sigmoid(-1e4) = 0
        torch.nn.init.zeros_(attention.conv_m.weight)
        torch.nn.init.constant_(attention.conv_m.bias, -1e4)
    x = torch.rand(1, 3, 20, 22)
    with torch.no_grad():
        for a, b in zip(full(x), bare(x), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize('size', [(4, 4), (4, 9), (5, 7), (6, 6), (7, 11)])
def test_network_accepts_every_size_from_its_minimum(size):
    x = torch.rand(1, 3, *size)
    with torch.no_grad():
        assert SIAN(8, 2)(x)[-1].shape == x.shape


def test_network_fails_below_its_minimum_size():
    with pytest.raises(RuntimeError), torch.no_grad():
        SIAN(8, 1)(torch.rand(1, 3, SIAN(8, 1).spec.min_size - 1, 8))


@pytest.mark.parametrize('name', ['sian_rain100l', 'sian_rain100h_lstm', 'sian_rain1400'])
def test_training_configs_have_the_initial_weights_of_the_authors_code(name):
    model = MODELS.build(Config.fromfile(ROOT / f'configs/derain/{name}.py').model)
    model.init_weights()
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) > 15 and model.network.lstm[0].gates in convolutions
    for conv in convolutions:
        count = conv.weight.numel()
        # With `count` random weights, the mean and the standard deviation differ from the expected values by less than
        # six standard errors.
        assert abs(conv.weight.mean()) < 6 * 0.02 / count**0.5
        assert abs(conv.weight.std() / 0.02 - 1) < 6 / (2 * count) ** 0.5
        assert conv.bias is None or not conv.bias.any()


def test_zero_stages_are_refused():
    with pytest.raises(ValueError, match='num_stages >= 1, found 0'):
        SIAN(num_stages=0)
