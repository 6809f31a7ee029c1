"""``keep_cpu_memory`` reuses freed memory inside its context, and returns it to the system at the end.

The measurement runs in its own process, because the memory of other tests would change it.
"""

import json
import platform
import resource
import subprocess
import sys

import pytest
import torch

from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.models import SIAN

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs the GNU C library')


def pages_of_a_pass(network: SIAN, image: torch.Tensor) -> int:
    """Return the number of page faults of a forward pass with feature maps of 35 MB.

    At a page fault, the system provides memory that the process does not have yet.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    with torch.inference_mode():
        network(image.contiguous(memory_format=torch.channels_last))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Return the number of memory pages that the process occupies."""
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1])


def measure() -> dict[str, int]:
    """Count page faults and occupied pages before, inside and after ``keep_cpu_memory``."""
    network, image = SIAN(num_stages=1).eval(), torch.rand(1, 3, 512, 544)
    pages_of_a_pass(network, image)
    counts = dict(usual=pages_of_a_pass(network, image))
    before = resident()
    with keep_cpu_memory():
        with keep_cpu_memory():
            counts['first'] = pages_of_a_pass(network, image)
        counts['again'] = pages_of_a_pass(network, image)  # the end of the inner context returns no memory
        counts['held'] = resident() - before
    counts['kept'] = resident() - before
    counts['after'] = pages_of_a_pass(network, image)
    try:
        with keep_cpu_memory():
            pages_of_a_pass(network, image)
            raise RuntimeError
    except RuntimeError:
        counts['kept_after_error'] = resident() - before
    return counts


@pytest.fixture(scope='module')
def counts():
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_memory_pages_are_reused_inside_the_context(counts):
    assert counts['first'] < counts['usual'] / 2 and counts['again'] < counts['first'] / 2
    # The limit is a quarter, because one page fault provides 512 pages if the system uses huge pages.
    assert counts['after'] > counts['usual'] / 4 and counts['after'] > 4 * counts['again']


def test_memory_returns_to_the_system_at_the_end(counts):
    assert counts['kept'] < 0.05 * counts['held']
    assert counts['kept_after_error'] < 0.05 * counts['held']


if __name__ == '__main__':
    print(json.dumps(measure()))
