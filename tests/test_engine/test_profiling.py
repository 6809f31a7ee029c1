import argparse

import pytest
import torch

from mmderain.engine.profiling import median_interval, multiply_adds, parse_size, random_images, time_calls
from mmderain.models import SIAN
from mmderain.models.networks.mafnet import SpatialAttention


def test_multiply_adds_of_known_layers():
    conv = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 1))
    assert multiply_adds(conv, (10, 12)) == 120 * (3 * 8 * 9 + 8 * 3)
    # A convolution with a stride of 2 computes a quarter of the pixels.
    assert multiply_adds(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)), (8, 8)) == 16 * 3 * 4 * 9
    # The attention has two products of 64 queries with 110 anchors, in 4 bands of 4 values. The convolutions are also
    # counted: the 1x1 convolution of the result, and three for queries, keys and values. These three include the
    # wavelet, so each has four bands.
    attention = SpatialAttention(16)
    both = torch.nn.Module()
    both.attention = attention
    both.forward = lambda x: attention(*[x.repeat(1, 6, 1, 1)[:, :16]] * 2)
    assert multiply_adds(both, (8, 8)) == 64 * (3 * 4 + 1) * 16 * 16 + 2 * 64 * 4 * 110 * 4
    # An additional stage of SIAN costs at least its first and its last convolution.
    one, two = (multiply_adds(SIAN(4, stages), (16, 16)) for stages in (1, 2))
    assert two - one > 256 * (6 * 4 * 9 + 4 * 3 * 9)


@pytest.mark.parametrize('n, first, last', [(6, 1, 6), (10, 2, 9), (20, 6, 15), (30, 10, 21), (100, 40, 61)])
def test_interval_of_the_median_has_the_tabulated_ranks(n, first, last):
    """The expected ranks are those of tables of the sign test for a 95% interval."""
    values = [10.0 * rank for rank in range(n, 0, -1)]
    assert median_interval(values) == (5.0 * (n + 1), 10.0 * first, 10.0 * last)


def test_five_values_are_too_few_for_an_interval():
    with pytest.raises(ValueError, match='5 values'):
        median_interval([1.0] * 5)


def test_interval_contains_the_median_with_the_stated_probability():
    torch.manual_seed(0)
    hits = [
        low <= 0.6931 <= high for _, low, high in map(median_interval, torch.empty(2000, 20).exponential_().tolist())
    ]
    assert 0.94 < sum(hits) / len(hits) < 0.975  # the exact probability is 0.9586


def test_calls_alternate_after_one_warm_up_call():
    order = []
    times = time_calls([lambda: order.append('a'), lambda: order.append('b')], 3, 'cpu')
    assert order == ['a', 'b'] * 4 and [len(own) for own in times] == [3, 3]


def test_random_images_are_reproducible_and_keep_the_random_state():
    network = SIAN(4, 1)
    state = torch.get_rng_state()
    one, two = (random_images(network, (8, 6), 2) for _ in range(2))
    assert torch.equal(one, two) and one.shape == (2, 3, 8, 6) and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('text', ['320', 'x480', '320x', '0x5', '-3x5', '3.5x4', ''])
def test_error_for_a_wrong_size_names_it(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f'found {text!r}'):
        parse_size(text)
