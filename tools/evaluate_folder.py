"""Compute the scores of derained images in a folder.

    python tools/evaluate_folder.py results/ data/rain100l/test/norain --pairing prefix rain- norain-

Any program can have written the derained images. The tool compares each derained image with its clean image. It prints
the scores of each image, and the means over all images. If an image cannot be read, the means do not include it, and
the exit status is 1. Images with 16 bits are compared without rounding to 8 bits.
The scores are the same as those of tools/test.py. docs/en/metrics.md defines them.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmderain.cli.command import CommandParser, command, print_failure
from mmderain.datasets.pairing import PAIRING_HELP, pair_by_name, parse_pairing
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.errors import InputError
from mmderain.evaluation import PROTOCOLS, UNROUNDED, measure
from mmderain.evaluation.metrics import write_scores
from mmderain.io.folders import iter_images, skipped_by_suffix
from mmderain.io.image import decode_image

#: Protocols that work on image files. The other protocols need the values of the network before they are rounded.
FILE_PROTOCOLS = [protocol for protocol in PROTOCOLS if protocol not in UNROUNDED]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('pred', type=Path, metavar='DERAINED', help='folder of derained images')
    parser.add_argument('gt', type=Path, metavar='CLEAN', help='folder of clean images')
    parser.add_argument('--pairing', nargs='+', type=str, default=['same_name'], metavar='RULE', help=PAIRING_HELP)
    parser.add_argument(
        '--protocols',
        nargs='+',
        choices=FILE_PROTOCOLS,
        default=['PSNR-Y', 'SSIM-Y(valid)'],
        metavar='PROTOCOL',
        help=f'scores to compute, one or several of {", ".join(FILE_PROTOCOLS)} (default: PSNR-Y SSIM-Y(valid))',
    )
    parser.add_argument(
        '--crop-border',
        type=int,
        default=0,
        metavar='PIXELS',
        help='before the images are compared, remove this number of pixels at each of the four sides of both images '
        '(default: 0)',
    )
    parser.add_argument(
        '--out', metavar='DIR', help='folder for per_image.csv and metrics.json (default: write no files)'
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int:
    """Print the scores of each image and their means. With --out, also write them to files."""
    pairs = find_pairs(args)
    results, failures = [], []
    with keep_cpu_memory():
        for pred_path, gt_path in pairs:
            try:
                scores = scores_of(args, pred_path, gt_path)
            except (OSError, InputError) as error:
                failures.append(error)
                continue
            results.append((pred_path.as_posix(), scores))
            print(results[-1][0], *(f'{key} {value:.4f}' for key, value in scores.items()), sep='  ')
    if not results:
        raise InputError(f'none of the {len(pairs)} pairs can be measured. The first problem: {failures[0]}')
    means = {key: float(np.mean([scores[key] for _, scores in results])) for key in results[0][1]}
    number = f'{len(results)} of {len(pairs)}' if failures else f'{len(results)}'
    print(f'mean of {number}', *(f'{key} {value:.4f}' for key, value in means.items()), sep='  ')
    if args.out:
        write_scores(args.out, results, means)
    for failure in failures:
        print_failure(args, failure)
    return 1 if failures else 0


def scores_of(args: argparse.Namespace, pred_path: Path, gt_path: Path) -> dict[str, float]:
    """Measure a derained image against its clean image.

    Args:
        args: parsed arguments.
        pred_path: the derained image, relative to its folder.
        gt_path: the clean image, relative to its folder.

    Raises:
        OSError, InputError: an image cannot be read, or the two images cannot be compared.
    """
    path, label = args.pred / pred_path, f'[border {args.crop_border}]' if args.crop_border else ''
    pred, gt = decode_image(path).to_levels(), decode_image(args.gt / gt_path).to_levels()
    return {p + label: measure(pred, gt, p, args.crop_border, str(path)) for p in args.protocols}


def find_pairs(args: argparse.Namespace) -> list[tuple[Path, Path]]:
    """Return the pairs of derained and clean images, and print how many files belong to no pair.

    Raises:
        FileNotFoundError: a folder does not exist.
        InputError: the pairing rule is not valid, a derained image has no clean image, or there is no pair.
    """
    pairing = parse_pairing(args.pairing)
    for folder in (args.pred, args.gt):
        if not folder.is_dir():
            raise FileNotFoundError(f'{folder}: no such folder')
    clean, derained = find_images(args.gt), find_images(args.pred)
    pairs, foreign, alone = pair_by_name(derained, clean, pairing)
    if alone or not pairs:
        examples = [path.as_posix() for path in (alone or foreign)[:3]]
        raise InputError(
            f'{len(alone or foreign)} images in {args.pred} have no clean image in {args.gt} according to the pairing '
            f'rule {pairing!r}, for example {examples}; choose another rule with --pairing'
        )
    if foreign:
        print(f'left out {len(foreign)} files whose names do not match the pairing rule, for example {foreign[0]}')
    missing = len(clean) - len({gt for _, gt in pairs})
    if missing:
        print(
            f'warning: {missing} of {len(clean)} images in {args.gt} have no derained image; the mean does not include '
            'them'
        )
    return pairs


def find_images(folder: Path) -> list[Path]:
    """Return the images in a folder, and print how many other files it contains."""
    skipped: Counter[str] = Counter()
    images = list(iter_images(folder, skipped=skipped))
    if text := skipped_by_suffix(skipped):
        print(f'{folder}: {text}')
    return images


if __name__ == '__main__':
    sys.exit(main())
