"""A GPU gives the results of the CPU. Without a GPU, the tests are skipped."""

import copy

import pytest
import torch
from torch._dynamo.utils import counters

from mmderain.models import Derainer
from mmderain.structures import DerainDataSample

DEVICE = 'cuda'
SMALL = [
    dict(type='SIAN', channels=8, num_stages=2),
    dict(type='JDNet', channels=16, num_units=3),
    dict(type='NASNet', channels=8, num_stages=2, num_blocks=2),
    dict(type='MAFNet', channels=16, num_modules=1),
    dict(type='NAFNet', width=8, encoder_blocks=(1, 1), decoder_blocks=(1, 1)),
]
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs an NVIDIA GPU'),
    pytest.mark.parametrize('network', SMALL, ids=lambda network: network['type']),
]


@pytest.fixture(autouse=True)
def _without_tf32(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)


def pair(network: dict, **options) -> tuple[Derainer, Derainer]:
    """Build a derainer on the CPU, and one with the same weights on the GPU. Only the second one gets the options."""
    torch.manual_seed(0)
    torch.compiler.reset()
    counters.clear()
    result = Derainer(network, loss=dict(type='SSIMLoss')).eval()
    reference = Derainer(network, loss=dict(type='SSIMLoss'), **options).eval()
    reference.load_state_dict(result.state_dict())
    return result, reference.to(DEVICE)


@torch.inference_mode()
def test_gpu_restores_like_the_cpu(network):
    cpu, gpu = pair(network)
    batch = torch.rand(3, 3, 48, 72)
    expected = cpu.restore(batch)
    assert torch.allclose(gpu.restore(batch.to(DEVICE)).cpu(), expected, atol=1e-4)
    assert torch.allclose(gpu.restore(batch), expected, atol=1e-4)  # moved to the GPU and back
    assert torch.allclose(torch.cat([gpu.restore(image[None]) for image in batch]), expected, atol=1e-4)
    wide = torch.rand(1, 3, 16, 240)
    assert torch.allclose(gpu.restore(wide, tile=32), cpu.restore(wide, tile=32), atol=1e-4)


def test_gpu_trains_like_the_cpu(network):
    models = pair(network)
    batch, truth = torch.rand(2, 2, 3, 32, 48)
    for model, device in zip(models, ('cpu', DEVICE), strict=True):
        samples = [DerainDataSample(), DerainDataSample()]
        for sample, clean in zip(samples, truth.to(device), strict=True):
            sample.gt_img = clean
        model.train().loss(batch.to(device), samples)['loss_SSIMLoss'].backward()
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        if one.grad is not None:
            assert (one.grad - other.grad.cpu()).abs().max() < 1e-3 * one.grad.abs().max() + 1e-7


@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
@torch.inference_mode()
def test_lower_precision_on_a_gpu_is_close_to_that_on_the_cpu(network, precision):
    cpu, gpu = pair(network, precision=precision)
    batch = torch.rand(2, 3, 48, 72)
    error = (gpu.restore(batch) - cpu.restore(batch)).square().mean()
    assert error < 10 ** (-40 / 10)


@pytest.mark.parametrize('how', [dict(backend='cudagraphs'), dict(mode='reduce-overhead', dynamic=False)])
@torch.inference_mode()
def test_cuda_graphs_do_not_change_the_result(network, how):
    _, gpu = pair(network)
    compiled = copy.deepcopy(gpu)
    compiled.network.compile(**how)
    for batch in torch.rand(3, 2, 3, 48, 72, device=DEVICE):  # the graph is recorded, then replayed
        assert torch.allclose(compiled.restore(batch), gpu.restore(batch), atol=1e-4)
    assert not counters['inductor']['cudagraph_skips']
