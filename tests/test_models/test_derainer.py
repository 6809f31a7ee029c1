import pytest
import torch
from torch import nn

from mmderain.models import Derainer, NetworkSpec
from mmderain.models.tiling import pad_image
from mmderain.registry import MODELS
from mmderain.structures import DerainDataSample


@MODELS.register_module(force=True)
class Recorder(nn.Module):
    """Network that stores its input, and subtracts 0.1 from channel 0 in its second stage."""

    def __init__(self, **spec):
        super().__init__()
        self.spec = NetworkSpec(**spec)
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x):
        self.seen = x
        first = x * self.gain
        return [first, first - x.new_tensor([0.1, 0, 0]).view(1, 3, 1, 1)]


def build(loss=(), supervise='all', mean=None, std=None, **network):
    return Derainer(dict(type='Recorder', **network), loss, supervise, mean, std)


def samples(truth):
    result = []
    for gt in truth:
        result.append(DerainDataSample())
        result[-1].gt_img = gt
    return result


@pytest.mark.parametrize('size', [(1, 1), (1, 37), (5, 2), (13, 64), (40, 33)])
def test_restore_keeps_size_dtype_and_range(size):
    model = build(min_size=8, size_multiple=8)
    batch = torch.rand(2, 3, *size, dtype=torch.float64)
    out = model.restore(batch)
    assert out.shape == batch.shape and out.dtype == torch.float64
    height, width = model.network.seen.shape[-2:]
    assert height % 8 == 0 and width % 8 == 0 and height - size[0] < 8 and width - size[1] < 8
    expected = batch.clone()
    expected[:, 0] = (expected[:, 0] - 0.1).clamp(0)
    assert torch.allclose(out, expected, atol=1e-6)


def test_minimum_size_is_not_treated_as_a_multiple():
    model = build(min_size=4)
    model.restore(torch.rand(1, 3, 3, 9))
    assert model.network.seen.shape == (1, 3, 4, 9)


def test_bgr_network_reads_and_returns_bgr():
    batch = torch.rand(1, 3, 4, 5)
    model = build(channel_order='bgr')
    out = model.restore(batch)
    assert torch.equal(model.network.seen, batch.flip(1))
    assert torch.equal(out[:, :2], batch[:, :2])  # channel 0 of BGR is blue
    assert torch.allclose(out[:, 2], (batch[:, 2] - 0.1).clamp(0))


@pytest.mark.parametrize('order, seen', [('rgb', [0.0, 1.0, 2.0]), ('bgr', [2.0, 1.0, 0.0])])
def test_mean_and_std_are_applied_to_rgb_channels_for_bgr_networks(order, seen):
    model = build(mean=[0.1, 0.2, 0.3], std=[0.5, 0.25, 0.125], channel_order=order)
    image = torch.tensor([0.1, 0.45, 0.55]).view(1, 3, 1, 1)
    model.restore(image)
    assert torch.allclose(model.network.seen.flatten(), torch.tensor(seen), atol=1e-6)


def test_restore_does_not_round_and_gradients_flow():
    batch = torch.full((1, 3, 2, 2), 0.12345, requires_grad=True)
    build().restore(batch).sum().backward()
    assert torch.equal(batch.grad, torch.ones_like(batch))


def test_restore_accepts_views_and_bfloat16():
    whole = torch.rand(2, 8, 6, 3).permute(0, 3, 1, 2)
    assert torch.equal(build().restore(whole), build().restore(whole.contiguous()))
    assert build().restore(whole.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    'batch, error, text',
    [
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), TypeError, 'found torch.uint8.*divide by 255'),
        ('rain.png', TypeError, 'found str'),
        (torch.zeros(3, 4, 4), ValueError, r'found \(3, 4, 4\).*batch\[None\]'),
        (torch.zeros(1, 1, 4, 4), ValueError, r'found \(1, 1, 4, 4\)'),
        (torch.zeros(1, 3, 0, 4), ValueError, 'without an empty dimension'),
    ],
)
def test_restore_refuses_wrong_input(batch, error, text):
    with pytest.raises(error, match=text):
        build().restore(batch)


def test_losses_are_summed_over_stages_and_weighted():
    batch, truth = torch.full((2, 3, 4, 4), 0.5), torch.full((2, 3, 4, 4), 0.2)
    loss = [dict(type='L1Loss'), dict(type='MSELoss', loss_weight=10)]
    out = build(loss)(batch, samples(truth), mode='loss')
    # The error is 0.3 in stage 1. In stage 2 it is 0.2 in one of the three channels, and 0.3 in the others.
    l1, l2 = (0.3, (0.2 + 2 * 0.3) / 3), (0.09, (0.04 + 2 * 0.09) / 3)
    assert out['loss_L1Loss'].item() == pytest.approx(sum(l1), rel=1e-6)
    assert out['loss_MSELoss'].item() == pytest.approx(10 * sum(l2), rel=1e-6)
    last = build(loss, supervise='last')(batch, samples(truth), mode='loss')
    assert last['loss_L1Loss'].item() == pytest.approx(l1[1], rel=1e-6)


def test_modes_predict_and_tensor_return_samples_and_stages():
    batch = torch.rand(2, 3, 4, 4)
    predicted = build()(batch, samples(batch), mode='predict')
    assert torch.equal(predicted[1].pred_img, build().restore(batch)[1])
    stages = build()(batch, mode='tensor')
    assert torch.equal(stages[0], batch) and len(stages) == 2


def test_preprocessor_returns_rgb_in_unit_range():
    model = build()
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 4)  # B, G, R
    data = model.data_preprocessor(dict(inputs=[pixels, pixels], data_samples=samples([pixels, pixels])))
    assert torch.equal(data['inputs'][1, :, 0, 0], torch.tensor([1.0, 0.2, 0.0]))
    assert torch.equal(data['data_samples'][0].gt_img[:, 0, 0], torch.tensor([1.0, 0.2, 0.0]))


def test_a_batch_with_two_image_sizes_is_refused():
    with pytest.raises(ValueError, match='differ in size.*batch_size=1'):
        build().data_preprocessor(dict(inputs=[torch.zeros(3, 4, 4), torch.zeros(3, 4, 5)]))


@pytest.mark.parametrize(
    'make, text',
    [
        (lambda: build(supervise='some'), "'all' or 'last', found 'some'"),
        (lambda: build(mean=[0.5]), 'mean needs three values'),
        (lambda: build(channel_order='grb'), "'rgb' or 'bgr', found 'grb'"),
        (lambda: build([dict(type='L1Loss'), dict(type='L1Loss')]), 'two losses of type'),
        (lambda: build()(torch.zeros(1, 3, 4, 4), mode='los'), "'tensor', found 'los'"),
        (lambda: build().loss(torch.zeros(1, 3, 4, 4), []), 'without `loss`'),
    ],
)
def test_error_for_a_wrong_setting_names_it(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_padding_reflects_large_images_and_repeats_the_edge_of_small_ones():
    row = torch.arange(3.0).view(1, 1, 1, 3)
    assert pad_image(row, NetworkSpec(size_multiple=5))[0, 0, 0].tolist() == [0, 1, 2, 1, 0]
    assert pad_image(row, NetworkSpec(min_size=6))[0, 0, 0].tolist() == [0, 1, 2, 2, 2, 2]
    assert pad_image(row, NetworkSpec(min_size=6))[0, 0, :, 1].tolist() == [1] * 6
    assert pad_image(row, NetworkSpec()) is row
