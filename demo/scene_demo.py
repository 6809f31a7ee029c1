r"""Draw the persons that a detector and a segmentor find in clean, rainy and derained images of a street.

    python demo/scene_demo.py                           the bundled frames and weights
    python demo/scene_demo.py rainy.jpg --rain none     your own rainy image
    python demo/scene_demo.py street.jpg --detector rtmdet_s_8xb32-300e_coco --segmentor none

The bundled detector and segmentor were trained on images of one street from one camera. Their only purpose is to show
the effect of rain and of a derainer in this street. For other images, use weights that mmdet and mmseg publish, as the
last command does for a detector.
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from mmderain.apis import trained_derainer
from mmderain.cli.command import CommandParser, ExpandPatterns, command
from mmderain.cli.libraries import quiet_libraries
from mmderain.cli.options import add_model_options, add_rain_options, checkpoint_file, rain_or_none
from mmderain.cli.scene import print_scenes
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.perception.scene_files import stream_scenes
from mmderain.perception.task import load_task_model

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    frames = sorted((ROOT / 'demo/street').glob('*.jpg'))
    parser.add_argument(
        'images',
        nargs='*',
        action=ExpandPatterns,
        type=Path,
        default=frames,
        help='clean images or, with --rain none, rainy images (default: the four frames in demo/street)',
    )
    add_model_options(parser)
    for kind in ('detector', 'segmentor'):
        parser.add_argument(
            f'--{kind}',
            default=f'street-{kind}',
            help=f'{kind}: a name that `mmderain models` lists, a config, or none to run without it '
            '(default: %(default)s)',
        )
        parser.add_argument(
            f'--{kind}-weights',
            type=checkpoint_file,
            metavar='FILE',
            help=f'checkpoint of the {kind} (default: the weights of a named model)',
        )
    add_rain_options(parser, 'heavy:2')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/scene_demo'), help='folder for the figures (default: %(default)s)'
    )
    parser.add_argument(
        '--if-possible',
        action='store_true',
        help='if mmdet, mmseg or the operators of mmcv are missing, print a message and exit with status 0 (default: '
        'report an error)',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int:
    """Write figures with the results of the detector and of the segmentor."""
    if args.if_possible and any(importlib.util.find_spec(name) is None for name in ('mmcv._ext', 'mmdet', 'mmseg')):
        print('Skipped: the demo of a detector and a segmentor, which needs mmdet, mmseg and the operators of mmcv.')
        print('`make test` installs them. Afterwards run: .venv/bin/python demo/scene_demo.py')
        return 0
    failed, rain = 0, rain_or_none(args.rain)
    with keep_cpu_memory(), quiet_libraries('mmdet', 'mmseg'):
        derainer = trained_derainer(args.model, args.weights)
        for kind in ('detector', 'segmentor'):
            name, out = getattr(args, kind), args.out / kind
            if name != 'none':
                task = load_task_model(name, getattr(args, f'{kind}_weights'), kind=kind)
                scenes = stream_scenes(args.images, out, derainer, task, rain, args.seed, existing='replace')
                failed |= print_scenes(scenes, out.resolve(), args)
    return failed


if __name__ == '__main__':
    sys.exit(main())
