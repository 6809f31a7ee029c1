"""Compare the rain that mmderain draws with the rain in the images of a benchmark.

    python tools/dev/compare_rain.py RAINY CLEAN --pairing prefix rain- norain-

The tool draws rain over the clean images of the benchmark. It then prints statistics of this rain and of the rain in
the rainy images of the benchmark. For heavy and light rain, it also prints the statistics of a common recipe for
synthetic rain. It writes the statistics to rain_<name of the rain>.json in --out, and plots to rain_<name of the
rain>.png. docs/en/rain.md shows the plots.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import numpy as np
from matplotlib import pyplot as plt
from rich.progress import track

from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import rain_help
from mmderain.datasets.pairing import PAIRING_HELP, pair_by_name, parse_pairing
from mmderain.errors import InputError
from mmderain.io import atomic_write, list_images, read_image
from mmderain.rain import StreakPreset, synthesize_rain
from mmderain.rain.statistics import rain_statistics, wasserstein

#: A common recipe for synthetic rain. The brightness of the streaks is exponentially distributed. If streaks overlap,
#: their brightness is added without a limit.
PLAIN = {
    'heavy': StreakPreset((1, 3), (0.022, 0.044), (15, 60), (0.5, 0.75), (24, 50), 6, 8),
    'light': StreakPreset((2, 2), (0.004, 0.008), (15, 40), (0.6, 0.9), (14, 34), 8, 1),
}


def draw_all(cleans: list[np.ndarray], rain: str | StreakPreset, seeds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs (rainy, clean) with synthetic rain: one pair for each clean image and each seed."""
    jobs = [(seed, number) for seed in range(seeds) for number in range(len(cleans))]
    jobs = track(jobs, f'drawing {rain if isinstance(rain, str) else "the plain recipe"}')
    return [(synthesize_rain(cleans[number], rain, [seed, number]), cleans[number]) for seed, number in jobs]


def plot(results: dict[str, dict], sample: np.ndarray | None, title: str, path: Path) -> None:
    """Draw histograms and autocorrelations, and an image with synthetic rain."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 5), gridspec_kw=dict(width_ratios=[1, 1, 1.1]))
    for name, result in results.items():
        left.plot(np.cumsum(result['histogram']), label=name)
        middle.plot(np.arange(len(result['autocorrelation'])) / 2, result['autocorrelation'], label=name)
    left.set(title='residual, cumulative', xlabel='level', ylabel='share of pixels')
    left.legend()
    middle.set(title='autocorrelation along the streaks', xlabel='px', xlim=(0, 60))
    middle.axhline(0.5, color='gray', linewidth=0.5)
    right.axis('off')
    if sample is not None:
        right.imshow(sample[..., ::-1])
        right.set_title('synthetic, on another image')
    figure.suptitle(title)
    figure.tight_layout()
    with atomic_write(path) as part:
        figure.savefig(part, dpi=80)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('rainy', type=Path, metavar='RAINY', help='folder of the rainy images of the benchmark')
    parser.add_argument('clean', type=Path, metavar='CLEAN', help='folder of the clean images of the benchmark')
    parser.add_argument('--pairing', nargs='+', type=str, default=['same_name'], metavar='RULE', help=PAIRING_HELP)
    parser.add_argument('--rain', default='heavy', help=f'{rain_help(allow_none=False)} (default: heavy)')
    parser.add_argument(
        '--seeds',
        type=int,
        default=5,
        metavar='N',
        help='number of times that rain is drawn over each image, each time with another seed (default: 5)',
    )
    parser.add_argument(
        '--sample',
        type=Path,
        metavar='FILE',
        help='another clean image; the plots also show this image with drawn rain (default: show no image)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/compare_rain'),
        metavar='DIR',
        help='folder for the written files (default: %(default)s)',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Print the statistics, and write the plots."""
    pairing = parse_pairing(args.pairing)
    sample = synthesize_rain(read_image(args.sample), args.rain, 1) if args.sample else None
    pairs, _, _ = pair_by_name(list_images(args.rainy), list_images(args.clean), pairing)
    if not pairs:
        raise InputError(
            f'found no pairs in {args.rainy} and {args.clean} with the pairing rule {pairing!r}; choose another rule '
            'with --pairing'
        )
    real = [(read_image(args.rainy / img), read_image(args.clean / gt)) for img, gt in pairs]
    rains = {'ours': args.rain} | ({'plain recipe': PLAIN[args.rain]} if args.rain in PLAIN else {})
    drawn = {name: draw_all([clean for _, clean in real], rain, args.seeds) for name, rain in rains.items()}
    results = {'real': rain_statistics(real)}
    for name, those in drawn.items():
        results[name] = rain_statistics(those)
        results[name]['wasserstein'] = wasserstein(results['real'], results[name])
    print(f'{"":14}' + ''.join(f'{name:>14}' for name in results))
    for key in [key for key in results['ours'] if key not in ('histogram', 'autocorrelation')]:
        print(f'{key:14}' + ''.join(f'{r[key]:14.3f}' if key in r else f'{"":14}' for r in results.values()))
    path = args.out / f'rain_{args.rain.replace(":", "").replace("+", "_")}.png'
    title = f'{args.rain}: {len(pairs)} benchmark pairs, and rain drawn {args.seeds} times over the same clean images'
    plot(results, sample, title, path)
    with atomic_write(path.with_suffix('.json')) as part:
        part.write_text(json.dumps(results, indent=1), encoding='utf-8')
    print(f'results written to {args.out}')


if __name__ == '__main__':
    sys.exit(main())
