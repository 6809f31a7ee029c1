import numpy as np
import pytest
import torch
from pytorch_msssim import ssim as msssim
from skimage.metrics import structural_similarity

from mmderain.models import SSIMLoss


def images(n=2, size=(40, 37)):
    y = torch.rand(n, 3, *size)
    return (y + 0.2 * torch.randn_like(y)).clamp(-0.1, 1.1), y


def test_loss_equals_ssim_with_a_plain_two_dimensional_window():
    x, y = images()
    line = torch.exp(-((torch.arange(11.0) - 5) ** 2) / (2 * 1.5**2))
    window = (line[:, None] * line[None]) / line.sum() ** 2

    def blur(t):
        return torch.nn.functional.conv2d(t, window.expand(3, 1, 11, 11), padding=5, groups=3)

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    expected = ((2 * mx * my + 1e-4) * (2 * cov + 9e-4)) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert SSIMLoss()(x, y).item() == pytest.approx(-expected.mean().item(), abs=1e-6)


def test_ssim_away_from_the_border_equals_that_of_two_other_libraries():
    from mmderain.evaluation.functional import gaussian_window, ssim_map

    x, y = (t.double().clamp(0, 1) for t in images(1))
    result = ssim_map(x, y, gaussian_window(), 'valid').mean().item()
    assert result == pytest.approx(msssim(x, y, data_range=1, win_size=11, win_sigma=1.5).item(), abs=1e-7)
    a, b = (t[0].permute(1, 2, 0).numpy() for t in (x, y))
    reference = structural_similarity(
        a, b, data_range=1, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1][5:-5, 5:-5].mean()
    assert result == pytest.approx(np.mean(reference), abs=1e-7)


def test_loss_of_stages_equals_the_sum_of_single_losses_with_gradients():
    loss, (x, y) = SSIMLoss(), images()
    stages = [(x * s).requires_grad_() for s in (1.0, 0.9, 0.5)]
    together = loss(torch.stack(stages), y)
    grads = torch.autograd.grad(together, stages)
    single = [loss(s, y) for s in stages]
    assert together.item() == pytest.approx(sum(single).item(), abs=1e-6)
    for a, b in zip(grads, torch.autograd.grad(sum(single), stages), strict=True):
        assert torch.allclose(a, b, atol=1e-8)


def test_loss_of_a_perfect_result_is_minus_one_under_autocast():
    _, y = images()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert SSIMLoss()(y.clone(), y).item() == pytest.approx(-1, abs=1e-6)
    half = y.bfloat16()
    assert SSIMLoss()(half, half).item() == pytest.approx(-1, abs=1e-6)
