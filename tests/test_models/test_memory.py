"""Blocks that are freed inside are taken again, and go back at the end."""

import platform
import resource

import pytest
import torch

from mmderain.models import SIAN
from mmderain.models.memory import reused_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs the GNU C library')


@pytest.fixture(scope='module')
def derain():
    """A pass whose feature maps take 35 MB each: more than the library keeps by itself."""
    network, picture = SIAN(num_stages=2).eval(), torch.rand(1, 3, 512, 544)

    def run() -> int:
        """Pages that the system had to hand out."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        with torch.inference_mode():
            network(picture.contiguous(memory_format=torch.channels_last))
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    run()
    return run


def resident() -> int:
    """Pages."""
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1])


def test_pages_are_not_handed_out_again(derain):
    usual = derain()
    with reused_memory():
        with reused_memory():
            first = derain()
        again = derain()  # leaving the inner one gives nothing back
    assert first < usual / 2 and again < first / 2
    assert derain() > usual / 2


def test_all_goes_back_at_the_end(derain):
    before = resident()
    with reused_memory():
        derain()
        held = resident() - before
    assert resident() - before < 0.05 * held
    with pytest.raises(RuntimeError, match='as it came'), reused_memory():
        derain()
        raise RuntimeError('as it came')
    assert resident() - before < 0.05 * held
