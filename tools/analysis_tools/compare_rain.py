"""Compare our rain with a benchmark's: draw it over the same clean pictures and measure both.

    python tools/analysis_tools/compare_rain.py RAINY CLEAN --pairing prefix rain- norain-

Prints, and writes OUT/rain_<name>.json and .png (plots of the statistics, a free picture under our rain).
With --show the benchmark's own pictures stand beside ours in OUT/pairs_<name>.png, to look at, not to publish.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mmderain.datasets.pairing import PAIRING_HELP, pair_by_name, parse_pairing
from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.image import list_images, read_image
from mmderain.rain import StreakPreset, synthesize_rain

#: The recipe that ours is measured against: streaks that add without end, exponentially distributed.
PLAIN = {
    'heavy': StreakPreset((1, 3), (0.022, 0.044), (15, 60), (0.5, 0.75), (24, 50), 6, 8),
    'light': StreakPreset((2, 2), (0.004, 0.008), (15, 40), (0.6, 0.9), (14, 34), 8, 1),
}
FARTHEST_LAG = 100  # px


def residual(rainy: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """What the rain added, (H, W, 3) int, 0 to 255."""
    return np.clip(rainy.astype(int) - clean, 0, 255)


def autocorrelation(added: np.ndarray) -> np.ndarray:
    """Of the brightest channel's residual along the direction in which it falls most slowly.

    Args:
        added: (H, W, 3), see :func:`residual`.

    Returns:
        (2 * FARTHEST_LAG,) at lags of half a pixel, 1 at lag 0.
    """
    grey = added.max(-1).astype(np.float64)
    height, width = grey.shape
    shape = (2 * height, 2 * width)

    def correlate(x: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(np.abs(np.fft.rfft2(x, shape)) ** 2, shape)

    # Divided by how many pairs of pixels have each lag.
    maps = correlate(grey - grey.mean()) / np.maximum(np.rint(correlate(np.ones_like(grey))), 1)
    lags = np.arange(0, FARTHEST_LAG, 0.5)
    lags = lags[lags < min(height, width) - 1]
    lines = []
    for degrees in range(-90, 90):
        theta = np.deg2rad(degrees)
        y, x = (np.rint(lags * f(theta)).astype(int) for f in (np.cos, np.sin))
        lines.append(maps[y % shape[0], x % shape[1]] / maps[0, 0])
    return max(lines, key=half_length)


def half_length(line: np.ndarray) -> float:
    """The lag in px at which a correlation falls below a half."""
    below = np.flatnonzero(line < 0.5)
    return float(below[0] if below.size else line.size) / 2


def statistics(pairs: list[tuple[np.ndarray, np.ndarray]], lengths: bool = True) -> dict:
    """Of pairs of (rainy, clean) pictures; residuals pooled over all pixels and channels, on 0..255.

    Args:
        lengths: also half-lengths of the streaks, which take the longest.
    """
    histogram, lines, psnr, ssim, saturated = np.zeros(256), [], [], [], []
    for rainy, clean in pairs:
        added = residual(rainy, clean)
        histogram += np.bincount(added.ravel(), minlength=256)
        psnr.append(measure(rainy, clean, 'PSNR-Y'))
        ssim.append(measure(rainy, clean, 'SSIM-Y(valid)'))
        saturated.append((rainy == 255).any(-1).mean())
        if lengths:
            lines.append(autocorrelation(added))
    histogram /= histogram.sum()
    cumulative = np.cumsum(histogram)
    return dict(
        psnr_y=float(np.mean(psnr)),
        ssim_y_valid=float(np.mean(ssim)),
        mean=float(histogram @ np.arange(256)),
        median=int(np.searchsorted(cumulative, 0.5)),
        percentile_99=int(np.searchsorted(cumulative, 0.99)),
        share_above_5=float(1 - cumulative[5]),
        saturated=float(np.mean(saturated)),
        half_length=float(np.mean([half_length(line) for line in lines])) if lengths else None,
        histogram=histogram.tolist(),
        autocorrelation=np.mean(lines, axis=0).tolist() if lengths else None,
    )


def wasserstein(one: dict, other: dict) -> float:
    """Distance of two residual histograms, levels: the area between their cumulative ones."""
    return float(np.abs(np.cumsum(one['histogram']) - np.cumsum(other['histogram'])).sum())


def draw_all(cleans: list[np.ndarray], rain: str | StreakPreset, seeds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ours over every clean picture, once a seed."""
    jobs = [(seed, number) for seed in range(seeds) for number in range(len(cleans))]
    label = rain if isinstance(rain, str) else 'plain recipe'
    return [
        (synthesize_rain(cleans[number], rain, [seed, number]), cleans[number])
        for seed, number in track(jobs, f'drawing, {label}')
    ]


def plot(results: dict[str, dict], sample: np.ndarray | None, title: str, path: Path) -> None:
    """Histograms, autocorrelations, and a picture under our rain with the figures below."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 5), gridspec_kw=dict(width_ratios=[1, 1, 1.1]))
    for name, result in results.items():
        left.plot(np.cumsum(result['histogram']), label=name)
        line = result['autocorrelation']
        middle.plot(np.arange(len(line)) / 2, line, label=name)
    left.set(title='residual, cumulative', xlabel='level', ylabel='share of pixels')
    middle.set(title='autocorrelation along the streaks', xlabel='px', xlim=(0, 60))
    middle.axhline(0.5, color='grey', linewidth=0.5)
    left.legend()
    right.axis('off')
    if sample is not None:
        right.imshow(sample[..., ::-1])
        right.set_title('ours, on a free picture')
    lines = []
    for name, r in results.items():
        far = '' if 'wasserstein' not in r else f', distance {r["wasserstein"]:.1f}'
        lines.append(
            f'{name}: PSNR-Y {r["psnr_y"]:.2f}, SSIM-Y(valid) {r["ssim_y_valid"]:.3f}, median {r["median"]}, '
            f'99% {r["percentile_99"]}, half-length {r["half_length"]:.1f} px{far}'
        )
    figure.suptitle(title)
    figure.text(0.5, 0.01, '\n'.join(lines), ha='center', va='bottom', fontsize=10)
    figure.tight_layout(rect=(0, 0.02 + 0.045 * len(lines), 1, 1))
    figure.savefig(path, dpi=80)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('rainy', type=Path, help='folder of the benchmark')
    parser.add_argument('clean', type=Path, help='folder of the benchmark')
    parser.add_argument('--pairing', nargs='+', default=['same_name'], metavar='RULE', help=PAIRING_HELP)
    parser.add_argument('--rain', default='heavy', help='as in synthesize_rain.py (default: heavy)')
    parser.add_argument('--seeds', type=int, default=5, help='how often ours is drawn over a picture (default: 5)')
    parser.add_argument('--sample', type=Path, help='a free picture to show our rain on')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/compare_rain'), help='folder (default: %(default)s)'
    )
    parser.add_argument('--show', action='store_true', help='also write pairs_<name>.png')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        pairing = parse_pairing(args.pairing)
        free = read_image(args.sample) if args.sample else None
        pairs, _, _ = pair_by_name(list_images(args.rainy), list_images(args.clean), pairing)
        if not pairs:
            raise InputError(f'no pairs in {args.rainy} and {args.clean} by the rule {pairing!r}; see --pairing')
        real = [(read_image(args.rainy / img), read_image(args.clean / gt)) for img, gt in pairs]
        cleans = [clean for _, clean in real]
        drawn = {'ours': draw_all(cleans, args.rain, args.seeds)}
        if args.rain in PLAIN:
            drawn['plain recipe'] = draw_all(cleans, PLAIN[args.rain], args.seeds)
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    results = {'real': statistics(real)}
    for name, those in drawn.items():
        results[name] = statistics(those)
        results[name]['wasserstein'] = wasserstein(results['real'], results[name])
    figures = [key for key in results['ours'] if key not in ('histogram', 'autocorrelation')]
    print(f'{"":14}' + ''.join(f'{name:>14}' for name in results))
    for key in figures:
        print(f'{key:14}' + ''.join(f'{r[key]:14.3f}' if key in r else f'{"":14}' for r in results.values()))
    args.out.mkdir(parents=True, exist_ok=True)
    tag = args.rain.replace(':', '').replace('+', '_')
    (args.out / f'rain_{tag}.json').write_text(json.dumps(results, indent=1), encoding='utf-8')
    sample = None if free is None else synthesize_rain(free, args.rain, 1)
    title = f'{args.rain}: {len(pairs)} real pairs, and rain drawn {args.seeds} times over the same clean pictures'
    plot(results, sample, title, args.out / f'rain_{tag}.png')
    if args.show:
        rows = list(zip(real, drawn['ours'], strict=False))[:4]
        side = min(min(rainy.shape[:2]) for (rainy, _), _ in rows)
        sheet = np.vstack([np.hstack([a[:side, :side], b[:side, :side]]) for (a, _), (b, _) in rows])
        cv2.imwrite(str(args.out / f'pairs_{tag}.png'), sheet)
    print(f'written to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
