"""Calls in another thread, one after another."""

import threading

import pytest

from mmderain.io.video.overlap import BackgroundCalls


def test_calls_are_made_in_order():
    made = []
    with BackgroundCalls(size=2) as calls:
        for number in range(20):
            calls.call(made.append, number)
    assert made == list(range(20))


def test_after_an_error_in_the_block_all_waiting_calls_are_made():
    made, may_start = [], threading.Event()
    with pytest.raises(KeyboardInterrupt), BackgroundCalls() as calls:
        calls.call(may_start.wait)
        calls.call(made.append, 1)
        calls.call(made.append, 2)
        may_start.set()
        raise KeyboardInterrupt
    assert made == [1, 2]


def test_after_a_call_that_fails_no_later_call_is_made():
    made, may_start = [], threading.Event()

    def fail():
        may_start.wait()
        raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'), BackgroundCalls() as calls:
        calls.call(fail)
        calls.call(made.append, 1)
        may_start.set()
    assert made == []
