"""Contact sheets of what a network will see: pictures of a config's data set after each step of its pipeline.

    python tools/analysis_tools/browse_dataset.py configs/derain/sian_sample.py --split train --number 6

Writes OUT/<config>_<split>.png: a row for each item, a column for each step that changes the picture, with its size.
The truth stands right of the rainy picture. For detection and segmentation configs too, with our transforms in them or
without; data sets that mix several pictures into one show their single pictures.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import DictAction
from mmengine.registry import DATASETS, init_default_scope

from mmderain.datasets import SeededIndex
from mmderain.datasets.base import seeded
from mmderain.engine.config import naming_unknown_arguments, prepare_config
from mmderain.errors import InputError
from mmderain.visualization import panel


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train', help='default: train')
    parser.add_argument('--number', type=int, default=6, help='items shown, spread over the data set (default: 6)')
    parser.add_argument('--height', type=int, default=200, help='of a shown picture, px (default: 200)')
    parser.add_argument('--seed', type=int, default=0, help='of the random transforms (default: 0)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/browse'), help='folder (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    return parser.parse_args(argv)


def single_pictures(dataset: object) -> object:
    """The data set inside wrappers that repeat, join or mix; of several, the first."""
    while not hasattr(dataset, 'get_data_info') or not hasattr(dataset, 'pipeline') or hasattr(dataset, 'datasets'):
        dataset = dataset.datasets[0] if hasattr(dataset, 'datasets') else dataset.dataset
    return dataset


def pictures_of(results: dict) -> list[np.ndarray]:
    """The picture in a pipeline's results, and its truth if it has one of the same size; BGR uint8."""
    if 'img' in results:
        pictures = [results['img'], results.get('gt_img')]
    else:
        inputs, truth = results.get('inputs'), getattr(results.get('data_samples'), 'gt_img', None)
        inputs = inputs[0] if isinstance(inputs, list) else inputs  # of test-time augmentation the first view
        pictures = [None if t is None else t.numpy().transpose(1, 2, 0) for t in (inputs, truth)]
    pictures = [np.clip(p, 0, 255).astype(np.uint8) for p in pictures if p is not None]
    return [p for p in pictures if p.shape == pictures[0].shape]


def steps_of(dataset: object, index: int, seed: int) -> list[tuple[str, list[np.ndarray]]]:
    """Names of the transforms that change the picture of an item, and what it looks like after each."""
    steps: list[tuple[str, list[np.ndarray]]] = []
    with seeded(SeededIndex(index, 0, seed)):
        torch.manual_seed(seed + index)
        results = dataset.get_data_info(index)
        for transform in dataset.pipeline.transforms:
            results = transform(results)
            if results is None:
                raise InputError(f'item {index}: {type(transform).__name__} gives nothing; it may need other pictures')
            pictures = pictures_of(results)
            if pictures and not (steps and np.array_equal(pictures, steps[-1][1])):
                # Copies: the next transform may change its input in place.
                steps.append((type(transform).__name__, [picture.copy() for picture in pictures]))
    return steps


def contact_sheet(rows: list[list[tuple[str, list[np.ndarray]]]], height: int) -> np.ndarray:
    """Rows of captioned pictures, each shown ``height`` px high."""
    drawn = []
    for steps in rows:
        tiles = []
        for name, pictures in steps:
            h, w = pictures[0].shape[:2]
            shown = [
                cv2.resize(p, (max(round(w * height / h), 1), height), interpolation=cv2.INTER_AREA) for p in pictures
            ]
            caption = f'{name} {h}x{w}'
            shown = np.concatenate(shown, axis=1)
            # As wide as the caption at least.
            room = max(7 * len(caption) - shown.shape[1], 0)
            tiles.append(panel({caption: np.pad(shown, ((0, 0), (0, room), (0, 0)), constant_values=255)}))
        drawn.append(np.concatenate(tiles, axis=1))
    width = max(row.shape[1] for row in drawn)
    drawn = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in drawn]
    return np.concatenate(drawn)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        cfg = prepare_config(args.config, cfg_options=args.cfg_options)
        init_default_scope(cfg.get('default_scope') or 'mmderain')
        loader = cfg.get(f'{args.split}_dataloader')
        if loader is None:
            raise InputError(f'{args.config} has no {args.split}_dataloader; try another --split')
        if args.number < 1:
            raise InputError(f'--number {args.number}: expected 1 or more')
        with naming_unknown_arguments(args.config):
            dataset = single_pictures(DATASETS.build(loader.dataset))
        if len(dataset) == 0:
            raise InputError(f'{args.config}: the {args.split} data set finds no items (looked for in {Path.cwd()})')
        indices = np.unique(np.linspace(0, len(dataset) - 1, args.number).round().astype(int))
        rows = [steps_of(dataset, int(index), args.seed) for index in indices]
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f'{Path(args.config).stem}_{args.split}.png'
    cv2.imwrite(str(path), contact_sheet(rows, args.height))
    print(f'{path}: {len(rows)} of {len(dataset)} items of {type(dataset).__name__}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
