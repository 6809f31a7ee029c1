import pytest
import torch
from golden import authors_keys, expected, fill, image
from reference import jdnet as plain_jdnet

from mmderain.hub.convert import convert
from mmderain.models import Derainer, JDNet
from mmderain.models.layers import PairwiseSelfAttention, window_attention


def with_authors_weights(name: str, seed: int, **settings) -> JDNet:
    network = JDNet(**settings)
    source = dict(net={f'module.{k}': v for k, v in fill(authors_keys(name), seed).items()}, clock_net=7, opt_net={})
    network.load_state_dict(convert('jdnet', source, **settings))
    return network.eval()


@pytest.mark.parametrize('units, batch', [(2, 2), (32, 1)])
@pytest.mark.parametrize('case', ['golden_seed1', 'odd_seed4'])
def test_outputs_equal_those_of_the_authors(units, batch, case):
    size, seed = ((batch, 48, 64), 1) if case == 'golden_seed1' else ((1, 45, 70), 4)
    target = expected(f'jdnet{units}_{case}')
    with torch.no_grad():
        (result,) = with_authors_weights(f'jdnet{units}', seed, num_units=units)(image(*size, seed))
    assert (result - target).abs().max() < 1e-5 * target.abs().max()


@pytest.mark.parametrize('units, count', [(32, 4_681_859), (2, 263_549)])
def test_networks_have_the_known_number_of_parameters(units, count):
    assert sum(p.numel() for p in JDNet(num_units=units).parameters()) == count


@pytest.mark.parametrize('size', [(9, 10), (4, 4), (5, 17), (12, 6), (7, 7)])
@pytest.mark.parametrize('chunk_pixels', [10**6, 20, 1])
def test_attention_equals_the_unfolded_formulation_with_gradients(size, chunk_pixels, monkeypatch):
    monkeypatch.setattr(window_attention, 'CHUNK_PIXELS', chunk_pixels)
    torch.manual_seed(0)
    layer = PairwiseSelfAttention(6, 2, 3).double()
    x = torch.rand(2, 6, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(2, 3, *size, dtype=torch.float64)
    inputs = [x, *layer.parameters()]
    own, plain = layer(x), plain_jdnet.pairwise_attention(layer, x)
    assert torch.allclose(own, plain, atol=1e-12)
    for a, b in zip(
        torch.autograd.grad((own * weight).sum(), inputs), torch.autograd.grad((plain * weight).sum(), inputs)
    ):
        assert torch.allclose(a, b, atol=1e-10)
    with torch.no_grad():
        assert torch.allclose(layer(x), plain, atol=1e-12)
        assert torch.allclose(layer(x.contiguous(memory_format=torch.channels_last)), plain, atol=1e-12)


def test_attention_stores_no_attention_weights_for_the_backward_pass():
    layer = PairwiseSelfAttention(4, 2, 2)
    saved = []

    def pack(t):
        saved.append(t.numel())
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        layer(torch.rand(1, 4, 40, 16))
    # The 49 weights of each pixel would be 31,360 values. The largest saved tensor contains the padded term, key and
    # value, which have (1 + 2 + 2) * 46 * 22 values.
    assert max(saved) == 5 * 46 * 22


def test_memory_of_attention_weights_is_bounded_by_the_chunk_size(monkeypatch):
    monkeypatch.setattr(window_attention, 'CHUNK_PIXELS', 64)
    held = []
    inner = window_attention._attention_weights

    def weights(*arguments):
        held.append(inner(*arguments).numel())
        return inner(*arguments)

    monkeypatch.setattr(window_attention, '_attention_weights', weights)
    with torch.no_grad():
        PairwiseSelfAttention(4, 2, 2)(torch.rand(1, 4, 40, 16))
    assert max(held) == 49 * 64 and sum(held) == 49 * 40 * 16
    held.clear()
    with torch.no_grad():  # the limit holds for all images of a batch together
        PairwiseSelfAttention(4, 2, 2)(torch.rand(2, 4, 40, 16))
    assert max(held) == 49 * 64 and sum(held) == 2 * 49 * 40 * 16


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_attention_computes_in_float32_under_lower_precision(dtype):
    torch.manual_seed(0)
    layer = PairwiseSelfAttention(6, 2, 3)
    layer.reduce.weight.data[:, 2:] *= 500  # positions have a large effect in a wide image
    x = torch.rand(1, 6, 12, 600)
    with torch.no_grad():
        wanted = layer(x)
        with torch.autocast('cpu', dtype=dtype):
            mixed = layer(x)
        pure = layer.to(dtype)(x.to(dtype))
    assert mixed.dtype == pure.dtype == dtype
    # Only q, k, v and the result are rounded, to 8 or 11 bits.
    for result in (mixed, pure):
        assert (result.float() - wanted).abs().max() < (0.01 if dtype == torch.bfloat16 else 0.002) * wanted.abs().max()


@pytest.mark.parametrize('size', [(4, 4), (4, 11), (7, 5), (8, 8)])
def test_network_accepts_every_size_from_its_minimum(size):
    x = torch.rand(1, 3, *size)
    with torch.no_grad():
        assert JDNet(16, 2).eval()(x)[0].shape == x.shape


def test_images_below_the_minimum_size_work_only_with_restore():
    model = Derainer(dict(type='JDNet', channels=16, num_units=1)).eval()
    with torch.no_grad():
        with pytest.raises(RuntimeError):
            model.network(torch.rand(1, 3, 3, 9))
        assert model.restore(torch.rand(1, 3, 1, 2)).shape == (1, 3, 1, 2)


def test_restore_accepts_rgb_for_a_bgr_network():
    model = Derainer(dict(type='JDNet', channels=16, num_units=1)).eval()
    x = torch.rand(1, 3, 12, 13)
    with torch.no_grad():
        wanted = model.network(x.flip(1))[-1].flip(1).clamp(0, 1)
        assert torch.allclose(model.restore(x), wanted, atol=1e-6)


@pytest.mark.parametrize(
    'settings, parts',
    [
        ({}, ['SelfAttention', 'ScaleAggregation', 'SelfCalibratedBottleneck']),
        (dict(use_attention=False), ['ScaleAggregation', 'SelfCalibratedBottleneck']),
        (dict(use_attention=False, use_calibration=False), ['ScaleAggregation']),
    ],
)
def test_variants_of_table_2_have_the_expected_parts(settings, parts):
    network = JDNet(num_units=1, **settings)
    assert [type(part).__name__ for part in network.units[0]] == parts


def test_every_parameter_gets_a_gradient():
    network = JDNet(32, 2)
    network(torch.rand(2, 3, 16, 16))[0].sum().backward()
    assert all(p.grad is not None for p in network.parameters())
