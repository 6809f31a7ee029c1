"""Blocks that are freed inside are taken again, and go back at the end."""

import platform
import resource

import pytest
import torch

from mmderain.models.memory import reused_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs the GNU C library')
BLOCK = 2**24  # numbers, 64 MiB
PAGES = 4 * BLOCK // resource.getpagesize()


def faults(times: int) -> int:
    """Pages that the system had to hand out while a block was filled and freed so often."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.full((BLOCK,), 1.0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1])


def test_pages_are_not_handed_out_each_time():
    if faults(10) < 9 * PAGES:
        pytest.skip('the system hands out more than a page at a time here: nothing to be seen')
    with reused_memory():
        with reused_memory():
            assert faults(10) < 5 * PAGES  # a few times until the heap has a place
        assert faults(10) < 2 * PAGES  # leaving the inner one changes nothing
    assert faults(10) > 9 * PAGES


def test_all_goes_back_at_the_end():
    before = resident()
    with reused_memory():
        faults(2)
        assert resident() > before + 0.9 * PAGES
    assert resident() < before + 0.1 * PAGES
    with pytest.raises(RuntimeError, match='as it came'), reused_memory():
        faults(1)
        raise RuntimeError('as it came')
    assert resident() < before + 0.1 * PAGES
