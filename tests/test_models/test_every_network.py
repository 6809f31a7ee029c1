"""All networks support any size, memory format and precision through ``restore``."""

import pytest
import torch
from conftest import SMALL_NETWORKS

from mmderain.models import Derainer

each = pytest.mark.parametrize('network', SMALL_NETWORKS, ids=lambda n: n['type'])


def build(network) -> Derainer:
    torch.manual_seed(0)
    return Derainer(network).eval()


@each
@pytest.mark.parametrize('size', [(1, 1), (1, 4000), (4000, 3), (2, 5), (7, 9), (33, 50), (64, 64)])
def test_restore_accepts_any_size(network, size):
    batch = torch.rand(1, 3, *size)
    with torch.inference_mode():
        out = build(network).restore(batch)
    assert out.shape == batch.shape and out.isfinite().all() and out.min() >= 0 and out.max() <= 1


@each
def test_result_does_not_depend_on_the_batch(network):
    batch, model = torch.rand(3, 3, 24, 32), build(network)
    with torch.inference_mode():
        together = model.restore(batch)
        alone = torch.cat([model.restore(one[None]) for one in batch])
    assert torch.allclose(together, alone, atol=1e-5)


@each
def test_result_does_not_depend_on_the_memory_format(network):
    batch, model = torch.rand(2, 24, 16, 3), build(network)
    with torch.inference_mode():
        expected = model.restore(batch.permute(0, 3, 1, 2).contiguous())
        for view in (batch.permute(0, 3, 1, 2), batch.repeat(1, 1, 2, 1)[:, :, :16].permute(0, 3, 1, 2)):
            assert torch.allclose(model.restore(view), expected, atol=1e-5)


@each
def test_result_has_the_dtype_of_the_input(network):
    batch, model = torch.rand(1, 3, 24, 24), build(network)
    with torch.inference_mode():
        expected = model.restore(batch)
        # float64 images through a float32 network, and a float64 network
        assert torch.allclose(model.restore(batch.double()).float(), expected, atol=1e-5)
        double = build(network).double().restore(batch.double())
        assert double.dtype == torch.float64 and torch.allclose(double.float(), expected, atol=1e-5)
        half = build(network).bfloat16().restore(batch)
        assert half.dtype == torch.float32 and (half - expected).abs().mean() < 0.02
        with torch.autocast('cpu', dtype=torch.bfloat16):
            mixed = model.restore(batch)
        assert mixed.dtype == torch.float32 and (mixed - expected).abs().mean() < 0.02


@each
def test_images_of_a_valid_size_are_not_padded(network):
    model = build(network)
    side = 8 * model.spec.size_multiple
    batch = torch.rand(1, 3, side, side)
    with torch.inference_mode():
        assert torch.allclose(model.restore(batch), model.stages(batch)[-1].clamp(0, 1))


@each
@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_precision_argument_selects_the_number_format(network, precision):
    torch.manual_seed(0)
    model = Derainer(network, precision=precision).eval()
    seen = []
    model.network.register_forward_hook(lambda *_: seen.append(torch.get_autocast_dtype('cpu')))
    batch = torch.rand(1, 3, 24, 24)
    with torch.inference_mode():
        expected, result = build(network).restore(batch), model.restore(batch)
    assert seen == [torch.bfloat16 if precision == 'bf16' else torch.float16]
    assert result.dtype == torch.float32 and not torch.equal(result, expected)
    psnr = -10 * torch.log10((result - expected).square().mean())
    assert psnr > (40 if precision == 'bf16' else 55)


@each
def test_an_explicit_precision_overrides_autocast(network):
    torch.manual_seed(0)
    model, batch = Derainer(network, precision='fp32').eval(), torch.rand(1, 3, 24, 24)
    with torch.inference_mode():
        expected = build(network).restore(batch)
        with torch.autocast('cpu', torch.bfloat16):
            assert torch.equal(model.restore(batch), expected)
            assert not torch.equal(build(network).restore(batch), expected)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="one of fp32, bf16, fp16, found 'int8'"):
        Derainer(SMALL_NETWORKS[0], precision='int8')
