"""The rate and the remaining time, also of results that arrive in blocks."""

import itertools

import pytest

from mmderain.apis.progress import Rate, rate_text


def rate_after(times):
    """Return the rate after items have arrived at these times."""
    clock = iter(times)
    rate = Rate(lambda: next(clock))
    for _ in times:
        rate.add()
    return rate


@pytest.mark.parametrize(
    'times, expected',
    [
        ([5], None),
        ([5, 5.1, 5.2], None),  # one block
        ([5, 15], 0.1),
        ([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.25], 4),
        ([*[0] * 10, *[20] * 10], 0.5),  # two blocks; the second one has not taken its time yet
        ([*[0] * 10, *[20] * 30, *[40] * 20], 1),
        ([*range(100), *range(100, 200, 2)], 0.5),  # the last 30 items count
    ],
)
def test_the_rate_counts_the_items_of_a_block_together(times, expected):
    assert rate_after(times).per_second() == expected


def test_the_remaining_time_needs_the_rate_and_the_total():
    rate = rate_after([number / 4 for number in range(10)])
    assert rate_text(rate, None) == '4.0/s'
    assert rate_text(rate, 10 + 4 * 90) == '4.0/s 0:01:30'
    assert rate_text(rate, 10 + 4 * 86400 * 2) == '4.0/s 2 days, 0:00:00'
    assert rate_text(rate_after([0]), 10) == ''


def test_the_number_of_remembered_times_is_bounded():
    rate = rate_after(list(itertools.islice(itertools.count(0, 2), 1000)))
    assert (rate.count, len(rate._starts), rate.per_second()) == (1000, 31, 0.5)
