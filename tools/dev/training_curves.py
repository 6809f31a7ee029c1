"""Draw the curves of the training queue, and print the table of docs/en/training_queue.md.

    python tools/dev/training_curves.py

Reads the files that `train_bundled.sh store` wrote; writes docs/en/images/training_curves.png.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt

from mmderain.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def read_curves(folder: Path, names: list[str]) -> list[dict]:
    """Read stored curves.

    Args:
        folder: where `train_bundled.sh store` wrote them.
        names: recipes; all of the folder if empty.

    Raises:
        InputError: there are none, or one of the names is not among them.
    """
    curves = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob('*.json'))}
    missing = [name for name in names if name not in curves]
    if missing or not curves:
        raise InputError(
            f'{folder}: no curve of {", ".join(missing) or "any recipe"}; `train_bundled.sh store` writes it'
        )
    return [curves[name] for name in names or curves]


def hours(curve: dict, step: int) -> float:
    """Return the processor time up to a step, in hours: steps of a recipe take equally long."""
    return curve['cpu_seconds'] * step / curve['step'] / 3600


def draw(curves: list[dict], path: Path) -> None:
    """Draw the held-out PSNR of each curve over its processor time."""
    figure, axis = plt.subplots(figsize=(8, 4.5))
    for curve in curves:
        points = curve['validations']
        times = [hours(curve, point['step']) for point in points]
        axis.plot(times, [point['PSNR-Y'] for point in points], marker='.', label=curve['recipe'])
    axis.set(xlabel='processor time, hours', ylabel='PSNR-Y on held-out photographs, dB', title='heavy rain')
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def table(curves: list[dict]) -> str:
    """Return a Markdown table: one recipe a row."""
    rows = ['| recipe | steps | hours of processor time | PSNR-Y, dB | SSIM-Y(valid) |', '|---|---|---|---|---|']
    for curve in curves:
        steps = f'{curve["step"]:,}'
        if curve['step'] < curve['steps']:
            steps += f' of {curve["steps"]:,}'
        scores = 'not yet | not yet'
        if curve['validations']:
            last = curve['validations'][-1]
            scores = f'{last["PSNR-Y"]:.2f} | {last["SSIM-Y(valid)"]:.4f}'
        rows.append(f'| `{curve["recipe"]}` | {steps} | {hours(curve, curve["step"]):.2f} | {scores} |')
    return '\n'.join(rows)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('recipes', nargs='*', help='names of recipes; default: all that are stored')
    parser.add_argument('--curves', type=Path, default=ROOT / 'tools/dev/training_state')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/en/images/training_curves.png')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Draw and print; return the exit code."""
    args = parse_args(argv)
    try:
        curves = read_curves(args.curves, args.recipes)
        draw(curves, args.out)
    except (InputError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(table(curves))
    return 0


if __name__ == '__main__':
    sys.exit(main())
