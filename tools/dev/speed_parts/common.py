"""Functions and constants that the parts of the report on speed share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from mmderain.apis import init_model
from mmderain.engine.profiling import forward_pass, median_interval, random_images, time_calls
from mmderain.models import Derainer

ROOT = Path(__file__).resolve().parents[3]
#: Commit with which the working tree is compared: the branch main on the day on which the work on speed began.
BASELINE = 'e5db84e'
#: Maps the names of the networks of the papers to their configs.
NETWORKS = {
    'sian': 'configs/derain/sian_rain100h.py',
    'jdnet': 'configs/derain/jdnet_rain100h.py',
    'nasnet': 'configs/derain/nasnet_bsds.py',
    'mafnet': 'configs/derain/mafnet_rain200h.py',
}
#: Size of the images in the comparisons, height and width in pixels.
SIZE = (160, 240)
#: Number of alternating passes of each network in a comparison inside one process, and number of pairs of processes in
#: a comparison with the baseline. A 95% interval of the median needs at least 6.
REPEATS, PAIRS = 9, 8


def build(name: str) -> Derainer:
    """Return the derainer of a network of :data:`NETWORKS` with random weights."""
    torch.manual_seed(0)
    return init_model(str(ROOT / NETWORKS[name]))


def ratio_row(ours: Sequence[float], other: Sequence[float], **names: object) -> dict:
    """Return the row of a comparison: how many times as fast the first one is, with a 95% interval.

    Args:
        ours: run times, in milliseconds.
        other: run times of the baseline, measured alternately with ``ours``.
        names: further entries of the row.
    """
    ratio, low, high = median_interval([b / a for a, b in zip(ours, other, strict=True)])
    return dict(names, ratio=ratio, low=low, high=high, ms=min(ours), other_ms=min(other), pairs=len(ours))


def compare(ours: Callable[[], object], other: Callable[[], object], **names: object) -> dict:
    """Call two functions alternately, and return :func:`ratio_row`."""
    return ratio_row(*time_calls([ours, other], REPEATS, 'cpu'), **names)


def pass_of(network: nn.Module, precision: str, size: tuple[int, int] = SIZE, batch: int = 1) -> Callable[[], Tensor]:
    """Return a function that makes a forward pass, as ``Derainer.restore`` does."""
    images, call = random_images(network, size, batch), forward_pass(network, precision, 'cpu')
    return lambda: call(images)
