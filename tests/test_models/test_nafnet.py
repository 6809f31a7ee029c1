"""NAFNet equals another implementation with the same weights, and its block equals the equations of the paper."""

import pytest
import torch
from spandrel import ModelLoader

from mmderain.models import Derainer, NAFNet
from mmderain.models.networks.nafnet import NAFBlock

SETTINGS = [
    dict(width=16, encoder_blocks=(1, 1, 2, 4), middle_blocks=2, decoder_blocks=(1, 1, 1, 1)),
    dict(width=24, encoder_blocks=(1, 1, 2, 4), middle_blocks=2, decoder_blocks=(1, 1, 1, 1)),
    dict(width=8, encoder_blocks=(2, 1), middle_blocks=1, decoder_blocks=(1, 3)),
]


def randomize(module: torch.nn.Module) -> torch.nn.Module:
    """Give every parameter a random value, because the residual scales of a new block are zero."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return module.eval()


@pytest.mark.parametrize('settings', SETTINGS, ids=str)
def test_outputs_equal_spandrels_nafnet_with_the_same_weights(settings):
    """spandrel recognizes NAFNet by the names of its weights. The authors' checkpoints have the same names."""
    network = randomize(NAFNet(**settings))
    reference = ModelLoader().load_from_state_dict(network.state_dict())
    assert reference.architecture.id == 'NAFNet'
    x = torch.rand(2, 3, 48, 32)
    with torch.inference_mode():
        expected, (result,) = reference.model.eval()(x), network(x)
    assert (expected - x).abs().max() > 0.1
    assert (result - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize('width, parameters', [(16, 1991923), (24, 4445163)])
def test_networks_of_the_configs_have_the_known_number_of_parameters(width, parameters):
    assert sum(p.numel() for p in NAFNet(width=width).parameters()) == parameters


def test_block_equals_the_equations_of_the_paper():
    channels = 6
    block = randomize(NAFBlock(channels)).double()
    x = torch.rand(2, channels, 9, 7, dtype=torch.float64)

    def normalize(features, norm):
        mean = features.mean(dim=1, keepdim=True)
        variance = features.var(dim=1, keepdim=True, unbiased=False)
        scale, shift = (value.view(1, -1, 1, 1) for value in (norm.weight, norm.bias))
        return scale * (features - mean) / (variance + 1e-6).sqrt() + shift

    def gate(features):  # Eq. 4: the product of the two halves
        return features[:, :channels] * features[:, channels:]

    y = gate(block.conv2(block.conv1(normalize(x, block.norm1))))
    attended = y * block.sca[1](y.mean(dim=(2, 3), keepdim=True))  # Eq. 5: W pool(Y) times Y
    middle = x + block.beta * block.conv3(attended)
    expected = middle + block.gamma * block.conv5(gate(block.conv4(normalize(middle, block.norm2))))
    assert torch.allclose(block(x), expected, atol=1e-12)


def test_a_new_block_is_the_identity():
    x = torch.rand(1, 8, 5, 4)
    assert torch.equal(NAFBlock(8)(x), x)


def test_gradient_checkpointing_gives_the_same_gradients():
    x = torch.rand(1, 3, 16, 16)
    gradients = []
    for with_cp in (False, True):
        network = randomize(NAFNet(width=8, encoder_blocks=(1, 1), decoder_blocks=(1, 1), with_cp=with_cp))
        network(x)[0].square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients))


def test_different_numbers_of_levels_are_refused():
    with pytest.raises(ValueError, match=r'must have the same length, found \[1, 1\] \(2\) and \[1\] \(1\)'):
        NAFNet(encoder_blocks=(1, 1), decoder_blocks=(1,))


def test_restore_pads_to_the_size_multiple():
    model = Derainer(dict(type='NAFNet', width=8))
    assert model.spec.size_multiple == 16
    batch = torch.rand(1, 3, 17, 30)
    assert model.restore(batch).shape == batch.shape
