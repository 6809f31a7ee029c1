"""Measure pictures that any program has derained: the same figures as tools/test.py gives.

python tools/evaluate_folder.py results/ data/rain100l/test/norain --pairing prefix rain- norain-
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from mmderain.datasets.pairing import PAIRING_HELP, pair_by_name, parse_pairing
from mmderain.errors import InputError
from mmderain.evaluation import PROTOCOLS, measure
from mmderain.evaluation.metrics import write_scores
from mmderain.io.image import list_images, read_image


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('pred', type=Path, help='folder of derained pictures')
    parser.add_argument('gt', type=Path, help='folder of clean pictures')
    parser.add_argument(
        '--pairing',
        nargs='+',
        default=['same_name'],
        metavar='RULE',
        help=PAIRING_HELP,
    )
    parser.add_argument(
        '--protocols',
        nargs='+',
        choices=list(PROTOCOLS),
        default=['PSNR-Y', 'SSIM-Y(valid)'],
        metavar='PROTOCOL',
        help=f'any of {", ".join(PROTOCOLS)}',
    )
    parser.add_argument('--crop-border', type=int, default=0, help='pixels cut from each side first')
    parser.add_argument('--out', metavar='DIR', help='write per_image.csv and metrics.json there')
    return parser.parse_args(argv)


def evaluate(args: argparse.Namespace) -> None:
    pairing = parse_pairing(args.pairing)
    for folder in (args.pred, args.gt):
        if not folder.is_dir():
            raise FileNotFoundError(f'{folder}: no such folder')
    truths = list_images(args.gt)
    pairs, foreign, alone = pair_by_name(list_images(args.pred), truths, pairing)
    if alone or not pairs:
        examples = [path.as_posix() for path in (alone or foreign)[:3]]
        raise InputError(
            f'{len(alone or foreign)} pictures in {args.pred} have no partner in {args.gt} by the rule '
            f'{pairing!r}, for example {examples}; see --pairing'
        )
    if foreign:
        print(f'passed over {len(foreign)} files that the rule does not fit, for example {foreign[0]}')
    without_result = len(truths) - len({gt for _, gt in pairs})
    if without_result:
        print(
            f'warning: {without_result} of {len(truths)} pictures in {args.gt} have no result; the mean leaves them out'
        )
    label = f'[border {args.crop_border}]' if args.crop_border else ''
    results = []
    for pred_path, gt_path in pairs:
        pred, gt = read_image(str(args.pred / pred_path)), read_image(str(args.gt / gt_path))
        name = pred_path.as_posix()
        figures = {
            p + label: measure(pred, gt, p, args.crop_border, str(args.pred / pred_path)) for p in args.protocols
        }
        results.append((name, figures))
        print(name, *(f'{key} {value:.4f}' for key, value in figures.items()), sep='  ')
    means = {key: float(np.mean([figures[key] for _, figures in results])) for key in results[0][1]}
    print(f'mean of {len(results)}', *(f'{key} {value:.4f}' for key, value in means.items()), sep='  ')
    if args.out:
        write_scores(args.out, results, means)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        evaluate(args)
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
