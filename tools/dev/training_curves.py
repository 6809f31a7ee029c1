"""Draw the curves of the training queue, and print the table of docs/en/training_queue.md.

    python tools/dev/training_curves.py

The tool reads the curves that `training_queue.py store` has written. A curve shows the PSNR-Y (in dB)
over the processor time (in hours). The PSNR-Y is measured on held-out photographs. The tool writes a plot of the curves
to --out, and prints the table as Markdown.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

from mmderain.cli.command import CommandParser, command
from mmderain.errors import InputError
from mmderain.io import atomic_write

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        'recipes',
        nargs='*',
        metavar='RECIPE',
        help='names of the recipes to show (default: all recipes with a stored curve)',
    )
    parser.add_argument(
        '--curves',
        type=Path,
        default=ROOT / 'tools/dev/training_state',
        metavar='DIR',
        help='folder of the stored curves (default: tools/dev/training_state)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=ROOT / 'docs/en/images/training_curves.png',
        metavar='FILE',
        help='image file to write (default: docs/en/images/training_curves.png)',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Draw the curves, and print the table."""
    curves = {path.stem: json.loads(path.read_text()) for path in sorted(args.curves.glob('*.json'))}
    missing = [name for name in args.recipes if name not in curves]
    if missing or not curves:
        raise InputError(
            f'{args.curves}: no curve of {", ".join(missing) or "any recipe"}; `training_queue.py store` writes it'
        )
    chosen = [curves[name] for name in args.recipes or curves]
    draw(chosen, args.out)
    print(
        '| recipe | steps | hours of processor time | PSNR-Y, dB | SSIM-Y(valid) |', '|---|---|---|---|---|', sep='\n'
    )
    print(*map(row, chosen), sep='\n')


def hours(curve: dict, step: int) -> float:
    """Return the processor time from the start to a step in hours, if all steps took the same time."""
    return curve['cpu_seconds'] * step / curve['step'] / 3600


def draw(curves: list[dict], path: Path) -> None:
    """Plot the PSNR-Y on held-out photographs over the processor time, with a curve for each recipe."""
    figure, axis = plt.subplots(figsize=(8, 4.5))
    for curve in curves:
        points = curve['validations']
        times = [hours(curve, point['step']) for point in points]
        axis.plot(times, [point['PSNR-Y'] for point in points], marker='.', label=curve['recipe'])
    axis.set(xlabel='processor time, hours', ylabel='PSNR-Y on held-out photographs, dB', title='heavy rain')
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    with atomic_write(path) as part:
        figure.savefig(part, dpi=100)


def row(curve: dict) -> str:
    """Return the row of a recipe in the Markdown table."""
    steps = f'{curve["step"]:,}' + (f' of {curve["steps"]:,}' if curve['step'] < curve['steps'] else '')
    scores = 'not yet | not yet'
    if curve['validations']:
        last = curve['validations'][-1]
        scores = f'{last["PSNR-Y"]:.2f} | {last["SSIM-Y(valid)"]:.4f}'
    return f'| `{curve["recipe"]}` | {steps} | {hours(curve, curve["step"]):.2f} | {scores} |'


if __name__ == '__main__':
    sys.exit(main())
