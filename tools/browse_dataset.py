"""Draw a contact sheet that shows images of a data set after each transform of its pipeline.

    python tools/browse_dataset.py configs/derain/sian_sample.py --split train --number 6

The tool writes <name of CONFIG>_<split>.png to --out. The sheet has a row for each shown item of the data set, and a
column for each transform that changes the image. The clean image is to the right of the rainy image.

If an item cannot be shown, the tool prints its error and shows the others. The exit status is then 1.

CONFIG can also be a config of detection or segmentation. If its data set is a wrapper that combines several images into
one, the sheet shows the images before they are combined. If a wrapper contains several data sets, the sheet shows only
the first data set.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from mmengine.registry import DATASETS, init_default_scope

from mmderain.cli.command import CommandParser, command, print_failure
from mmderain.cli.options import add_cfg_options
from mmderain.datasets.contact_sheet import contact_sheet, pipeline_steps, unwrap_dataset
from mmderain.engine.config import prepare_config
from mmderain.errors import InputError
from mmderain.io import write_image
from mmderain.io.config import config_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument(
        '--split',
        choices=['train', 'val', 'test'],
        default='train',
        help='data set to show: the one for training, validation or test (default: train)',
    )
    parser.add_argument(
        '--number',
        type=int,
        default=6,
        metavar='N',
        help='number of items to show. They are evenly spaced from the first to the last item of the data set '
        '(default: 6)',
    )
    parser.add_argument(
        '--height', type=int, default=200, metavar='PIXELS', help='height of each image on the sheet (default: 200)'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the random transforms (default: 0)')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/browse'),
        metavar='DIR',
        help='folder for the contact sheet (default: %(default)s)',
    )
    add_cfg_options(parser, 'train_dataloader.dataset.data_root=DIR')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int:
    """Write the contact sheet."""
    cfg = prepare_config(args.config, cfg_options=args.cfg_options)
    init_default_scope(cfg.get('default_scope') or 'mmderain')
    loader = cfg.get(f'{args.split}_dataloader')
    if loader is None:
        raise InputError(f'{args.config} has no {args.split}_dataloader; try another --split')
    if args.number < 1:
        raise InputError(f'--number {args.number}: expected at least 1')
    with config_errors(args.config):
        dataset = unwrap_dataset(DATASETS.build(loader.dataset))
    if len(dataset) == 0:
        raise InputError(
            f'{args.config}: the {args.split} data set has no items; check its paths (relative paths start in '
            f'{Path.cwd()})'
        )
    indices = np.unique(np.linspace(0, len(dataset) - 1, args.number).round().astype(int))
    rows, failed = [], False
    for index in indices:
        try:
            rows.append(pipeline_steps(dataset, int(index), args.seed))
        except (OSError, InputError) as error:
            print_failure(args, error)
            failed = True
    if not rows:
        raise InputError(
            f'{args.config}: none of the {len(indices)} chosen items of the {args.split} data set can be shown'
        )
    path = args.out / f'{Path(args.config).stem}_{args.split}.png'
    write_image(contact_sheet(rows, args.height), path)
    print(f'{path}: {len(rows)} of {len(dataset)} items of {type(dataset).__name__}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
