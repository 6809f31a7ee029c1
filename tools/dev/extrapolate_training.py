"""Estimate how long `nafnet` must be trained to reach the goals on Rain100H.

    python tools/dev/extrapolate_training.py DATA

DATA contains the folder rain100h_sample, see tools/dev/measure_derainers.py. The tool measures the bundled weights of
`nafnet`, and the weights before its last training (nafnet_photographs), on the pairs of Rain100H. It assumes that each
doubling of the processor time of the training adds the same score. It prints the total time for each goal, with a 95%
interval. The interval comes from the gains in random samples of the pairs (bootstrap). The interval includes neither
the error of the assumption nor the difference between two trainings.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measure_derainers import SETS, network
from results import ROOT

from mmderain.apis import DerainInferencer
from mmderain.cli.command import CommandParser, command
from mmderain.errors import InputError
from mmderain.evaluation import measure

STATE = ROOT / 'tools/dev/training_state'
BEFORE = STATE / 'nafnet_photographs_weights.pth'
#: Maps each metric to its goal on Rain100H.
GOALS = {'PSNR-Y': 27.0, 'SSIM-Y(valid)': 0.86}


def hours(recipe: str) -> float:
    """Return the processor time of a recipe in hours."""
    return json.loads((STATE / f'{recipe}.json').read_text(encoding='utf-8'))['cpu_seconds'] / 3600


def needed_hours(score: float, gain: float, times: tuple[float, float], goal: float) -> float:
    """Return the time at which a score reaches a goal, if each doubling of the time adds the same score.

    Args:
        score: score after the second time.
        gain: difference of the scores after the second and the first time.
        times: the first and the second time of training, in hours.
        goal: the goal.

    Returns:
        The time in hours; infinite if the score has not risen.
    """
    if gain <= 0:
        return math.inf
    return times[1] * 2 ** (math.log2(times[1] / times[0]) * (goal - score) / gain)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('data', type=Path, metavar='DATA', help='folder that contains rain100h_sample')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Measure both weights, and print the estimates."""
    folder, pairs = SETS['rain100h']
    if not (args.data / folder).is_dir():
        raise InputError(f'{args.data / folder}: no such folder; DATA must contain the pairs of Rain100H')
    earlier = DerainInferencer('nafnet_photographs', BEFORE, device='cpu', precision='fp32')
    functions = [lambda image: earlier(image).predictions[0], network('nafnet')]
    scores = np.array(
        [
            [[measure(function(rainy), clean, metric) for metric in GOALS] for function in functions]
            for rainy, clean in pairs(args.data)
        ]
    )
    first = hours('nafnet_photographs')
    times = first, first + hours('nafnet_wide')
    samples = np.random.default_rng(0).integers(len(scores), size=(2000, len(scores)))
    for number, (metric, goal) in enumerate(GOALS.items()):
        before, after = scores[:, 0, number].mean(), scores[:, 1, number].mean()
        gains = scores[:, 1, number] - scores[:, 0, number]
        found = [needed_hours(after, gains[chosen].mean(), times, goal) for chosen in samples]
        low, high = np.quantile(found, (0.025, 0.975))
        print(
            f'{metric}: {before:.4f} after {times[0]:.2f} h, {after:.4f} after {times[1]:.2f} h; '
            f'{goal} after {needed_hours(after, gains.mean(), times, goal):.1f} h ({low:.1f} to {high:.1f} h)'
        )


if __name__ == '__main__':
    sys.exit(main())
