"""The networks give the results and the gradients of their plain formulations."""

import pytest
import torch
from reference import PLAIN, plain_network

from mmderain.engine.profiling import forward_pass, tensor_memory
from mmderain.errors import InputError
from mmderain.models import SIAN, JDNet, MAFNet, NAFNet, NASNet

CASES = [
    (SIAN, dict(channels=4, num_stages=3), (2, 13, 18)),
    (SIAN, dict(channels=4, num_stages=2, use_attention=False), (1, 9, 16)),
    (JDNet, dict(channels=16, num_units=10), (2, 12, 17)),
    (JDNet, dict(channels=16, num_units=2, use_attention=False, use_calibration=False), (1, 20, 9)),
    (NASNet, dict(channels=8, num_stages=2, num_blocks=2), (2, 7, 10)),
    (NASNet, dict(channels=8, num_stages=2, num_blocks=2, attention=None, fuse_stages=False), (1, 8, 8)),
    (MAFNet, dict(channels=8, num_modules=2, num_heads=2), (2, 16, 24)),
    (MAFNet, dict(channels=8, num_modules=1, interaction='none', pyramid='gaussian'), (1, 32, 16)),
    (MAFNet, dict(channels=8, num_modules=1, interaction='conv', pyramid='bilinear'), (1, 16, 16)),
    (MAFNet, dict(channels=8, num_modules=1, interaction='channel'), (1, 16, 16)),
    (MAFNet, dict(channels=8, num_modules=2, spatial_order='coarse_to_fine', upsampling='shuffle'), (1, 8, 24)),
    (MAFNet, dict(channels=8, num_modules=1, pyramid_kernel=3, pyramid_padding='zeros'), (1, 8, 16)),
    (MAFNet, dict(channels=8, num_modules=1, pyramid='gaussian', pyramid_padding='zeros'), (1, 16, 8)),
    (MAFNet, dict(channels=8, num_modules=1, pyramid='gaussian', pyramid_kernel=3), (1, 16, 8)),
    (MAFNet, dict(channels=8, num_modules=1, interaction='conv', conv_kernel=3), (1, 16, 16)),
]


@pytest.mark.parametrize('kind, settings, size', CASES)
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_fast_network_equals_the_plain_formulation_with_gradients(kind, settings, size, layout):
    torch.manual_seed(0)
    fast = kind(**settings).double()
    plain = plain_network(fast)
    n, h, w = size
    x = torch.rand(n, 3, h, w, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    weight = torch.rand(n, 3, h, w, dtype=torch.float64)
    results = []
    for network in (fast, plain):
        stages = network(x)
        inputs = [x, *(p for p in network.parameters() if p.requires_grad)]
        loss = sum((stage * weight).sum() for stage in stages)
        results.append([*stages, *torch.autograd.grad(loss, inputs)])
    for ours, target in zip(*results, strict=True):
        assert torch.allclose(ours, target, rtol=1e-8, atol=1e-10)
    # The results are also equal without gradients and in eval mode, as in deraining.
    with torch.inference_mode():
        for ours, target in zip(fast.eval()(x), plain.eval()(x), strict=True):
            assert torch.allclose(ours, target, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize('kind', list(PLAIN), ids=lambda kind: kind.__name__)
def test_plain_formulation_is_a_copy_with_another_forward_method(kind):
    network = kind(with_cp=True)
    plain = plain_network(network)
    assert type(plain) is PLAIN[kind] and type(network) is kind and kind.forward is not PLAIN[kind].forward
    assert not any(getattr(module, 'with_cp', False) for module in plain.modules())
    assert any(getattr(module, 'with_cp', False) for module in network.modules())
    own, copied = network.state_dict(), plain.state_dict()
    assert list(own) == list(copied) and all(torch.equal(own[name], copied[name]) for name in own)
    assert not {t.data_ptr() for t in own.values()} & {t.data_ptr() for t in copied.values()}


def test_error_for_networks_without_a_plain_formulation():
    with pytest.raises(InputError, match='NAFNet has no plain formulation; expected one of SIAN, JDNet'):
        plain_network(NAFNet(width=4, encoder_blocks=(1, 1), decoder_blocks=(1, 1)))


@pytest.mark.parametrize('kind', list(PLAIN), ids=lambda kind: kind.__name__)
def test_fast_network_equals_the_plain_one_at_full_size_in_float32(kind):
    torch.manual_seed(0)
    fast = kind().eval()
    plain = plain_network(fast)
    x = torch.rand(1, 3, 40, 48)
    with torch.inference_mode():
        ours, target = fast(x.contiguous(memory_format=torch.channels_last))[-1], plain(x)[-1]
    assert (ours - target).abs().max() < 2e-5 * target.abs().max()


@pytest.mark.parametrize('kind, kilobytes', [(SIAN, 2.0), (JDNet, 6.0), (NASNet, 1.6), (MAFNet, 2.5)])
def test_memory_of_a_forward_pass_is_below_a_limit(kind, kilobytes):
    """The limit is given in KiB for each pixel, in float32. A feature map of 32 channels takes 0.125 KiB."""
    network, image = kind().eval(), torch.rand(1, 3, 64, 96).contiguous(memory_format=torch.channels_last)
    held = tensor_memory(forward_pass(network, 'fp32', 'cpu'), image)
    assert 0.5 < held / 1024 / (64 * 96) < kilobytes


@pytest.mark.parametrize(
    'kind, settings, at_most',
    [
        (SIAN, dict(channels=8, num_stages=4), 0.5),
        (JDNet, dict(channels=16, num_units=4), 0.8),
        (NASNet, dict(channels=8, num_stages=2, num_blocks=4), 0.5),
        (MAFNet, dict(channels=8, num_modules=4, num_heads=2), 0.6),
    ],
)
def test_gradient_checkpointing_saves_memory_and_does_not_change_gradients(kind, settings, at_most):
    torch.manual_seed(0)
    kept, recomputed = kind(**settings), kind(**settings, with_cp=True)
    recomputed.load_state_dict(kept.state_dict())
    x, gradients, saved = torch.rand(2, 3, 16, 16), [], []
    for network in (kept, recomputed):
        held = {}

        def pack(t, held=held):
            held[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            results = network(x)
        sum(result.square().sum() for result in results).backward()
        saved.append(sum(held.values()))
        gradients.append([p.grad for p in network.parameters() if p.requires_grad])
    for a, b in zip(*gradients, strict=True):
        assert torch.equal(a, b)
    for a, b in zip(kept.buffers(), recomputed.buffers()):
        assert torch.equal(a, b)  # the running statistics count the recomputed batch only once
    assert saved[1] < at_most * saved[0]
