"""Compiled networks give the results of uncompiled networks, also in training.

Most tests use a backend of torch that needs no C++ compiler.
"""

import copy
import shutil

import pytest
import torch
from torch._dynamo.utils import counters

from mmderain.apis import DerainInferencer
from mmderain.apis.model import require_compiler
from mmderain.errors import InputError
from mmderain.models import Derainer
from mmderain.structures import DerainDataSample

SMALL = [
    dict(type='SIAN', channels=4, num_stages=2),
    dict(type='JDNet', channels=16, num_units=2),
    dict(type='NASNet', channels=4, num_stages=2, num_blocks=1),
    dict(type='MAFNet', channels=8, num_modules=1, num_heads=2),
    dict(type='NAFNet', width=4, encoder_blocks=(1, 1), decoder_blocks=(1, 1)),
    dict(type='PixelUnshuffled', network=dict(type='SIAN', channels=4, num_stages=1)),
]


def pair(network: dict, **options) -> tuple[Derainer, Derainer]:
    """Build an uncompiled and a compiled derainer with the same weights."""
    torch.manual_seed(0)
    torch.compiler.reset()
    counters.clear()
    kept = Derainer(network, loss=dict(type='SSIMLoss'))
    compiled = Derainer(network, loss=dict(type='SSIMLoss'), compile=dict(backend='aot_eager', **options))
    compiled.load_state_dict(kept.state_dict())
    return kept, compiled


@pytest.mark.parametrize('network', SMALL, ids=lambda network: network['type'])
def test_compiled_network_has_equal_results_and_gradients(network):
    kept, compiled = pair(network, dynamic=False)
    samples = [DerainDataSample(), DerainDataSample()]
    batch, truth = torch.rand(2, 2, 3, 24, 32)
    for sample, clean in zip(samples, truth, strict=True):
        sample.gt_img = clean
    for model in (kept, compiled):
        model.train()
        model.loss(batch, samples)['loss_SSIMLoss'].backward()
        model.eval()
    for one, other in zip(kept.parameters(), compiled.parameters(), strict=True):
        assert one.grad is None and other.grad is None or torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-6)
    for one, other in zip(kept.buffers(), compiled.buffers(), strict=True):
        assert torch.equal(one, other)  # running statistics
    with torch.inference_mode():
        expected = kept.restore(batch)
        assert torch.allclose(compiled.restore(batch), expected, atol=1e-6)
    # There are two graphs: one of the training step and one of `restore`.
    assert not counters['graph_break'] and counters['stats']['unique_graphs'] == 2
    # A copy of the model, which a moving average of the weights makes, gives the same result.
    with torch.inference_mode():
        assert torch.allclose(copy.deepcopy(compiled).restore(batch), expected, atol=1e-6)


def test_tiles_run_uncompiled():
    """The result for a tile depends on its position, so each tile would need its own graph."""
    kept, compiled = pair(SMALL[0])
    batch = torch.rand(1, 3, 16, 128)
    with torch.inference_mode():
        expected = kept.restore(batch, tile=48)
        assert torch.equal(compiled.restore(batch, tile=48), expected)
    assert not counters['stats']  # nothing was compiled


@pytest.mark.soak
def test_tiles_give_equal_results_if_the_caller_compiles_restore():
    kept, _ = pair(SMALL[0])
    restore = torch.compile(copy.deepcopy(kept).restore, backend='aot_eager')
    batch = torch.rand(1, 3, 16, 128)
    with torch.inference_mode():
        for tile in (0, 48):
            assert torch.allclose(restore(batch, tile=tile), kept.restore(batch, tile=tile), atol=1e-6)


@pytest.mark.soak
def test_sizes_with_equal_multiples_share_a_graph():
    kept, compiled = pair(SMALL[0])
    with torch.inference_mode():
        for size in ((16, 24), (20, 16), (28, 24)):
            batch = torch.rand(1, 3, *size)
            assert torch.allclose(compiled.restore(batch), kept.restore(batch), atol=1e-6)
    # The first size has its own graph. All other sizes whose sides are multiples of 4 share a second graph. At sizes
    # that are not multiples of 4, the pooling drops the last rows and columns, and they are padded again. This needs a
    # third graph.
    assert counters['stats']['unique_graphs'] == 2
    with torch.inference_mode():
        batch = torch.rand(1, 3, 21, 18)
        assert torch.allclose(compiled.restore(batch), kept.restore(batch), atol=1e-6)
    assert counters['stats']['unique_graphs'] == 3


def test_wrong_compile_settings_are_refused():
    with pytest.raises(TypeError, match="True, False or a dict of arguments of torch.compile, found 'fast'"):
        Derainer(SMALL[0], compile='fast')
    for wrong in (dict(mode='fast'), dict(bakend='inductor')):
        with pytest.raises(ValueError, match=f'compile={wrong}'):
            Derainer(SMALL[0], compile=wrong)
    assert Derainer(SMALL[0], compile={}).network._compiled_call_impl is not None
    assert Derainer(SMALL[0], compile=False).network._compiled_call_impl is None


def test_compiling_does_not_change_checkpoints():
    kept, compiled = pair(SMALL[0])
    assert list(kept.state_dict()) == list(compiled.state_dict())


@pytest.mark.soak
@pytest.mark.parametrize('network', SMALL, ids=lambda network: network['type'])
def test_the_default_compiler_of_torch_gives_equal_results(network):
    if shutil.which('g++') is None:
        pytest.skip('needs a C++ compiler')
    torch.manual_seed(0)
    torch.compiler.reset()
    counters.clear()
    kept, compiled = (Derainer(network, compile=how).eval() for how in (None, True))
    compiled.load_state_dict(kept.state_dict())
    batch = torch.rand(1, 3, 16, 24)
    with torch.inference_mode():
        assert torch.allclose(compiled.restore(batch), kept.restore(batch), atol=1e-5)
    assert counters['stats']['unique_graphs'] == 1


def test_error_without_a_compiler_gives_the_reason_of_torch(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError('No working C++ compiler found\nand a long story')

    monkeypatch.setattr(torch, 'compile', lambda function: fail)
    with pytest.raises(
        InputError,
        match=r'^compile: torch cannot compile for cpu on this machine \(No working C\+\+ compiler found\)\. ',
    ):
        require_compiler('cpu')


def test_inferencer_compiles_the_network_only_if_requested(monkeypatch):
    calls = []
    monkeypatch.setattr('mmderain.apis.inferencer.require_compiler', calls.append)
    assert DerainInferencer('sian', device='cpu', compile=True).model.network._compiled_call_impl is not None
    assert calls == ['cpu']
    assert DerainInferencer('sian', device='cpu').model.network._compiled_call_impl is None
    assert calls == ['cpu']
