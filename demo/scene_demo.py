"""A rainy street: the persons that a detector and a segmentor find in it clean, rainy and derained.

    python demo/scene_demo.py                      # the frames and the weights that come along
    python demo/scene_demo.py rainy.jpg --rain none
    python demo/scene_demo.py street.jpg --detector mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py \\
        --detector-weights rtmdet_s.pth --segmentor none

The detector and the segmentor that come along know one street and one camera: they are there to show the effect. With
weights that mmdet and mmseg publish, any picture will do.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

from mmderain import DEFAULT_DERAINER
from mmderain.apis import trained_derainer
from mmderain.errors import InputError
from mmderain.perception.scene import show_scenes
from mmderain.perception.task import load_task_model

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('pictures', nargs='*', type=Path, default=sorted((ROOT / 'demo/street').glob('*.jpg')))
    parser.add_argument(
        '--model', default=DEFAULT_DERAINER, help='derainer, one of `mmderain models` (default: %(default)s)'
    )
    parser.add_argument('--weights', help='its checkpoint; default: the one that comes along')
    for kind in ('detector', 'segmentor'):
        parser.add_argument(
            f'--{kind}', default=f'street-{kind}', help='name or config; none to leave out (default: %(default)s)'
        )
        parser.add_argument(f'--{kind}-weights', help='its checkpoint; default: the one that comes along')
    parser.add_argument('--rain', default='heavy:2', help='drawn over it; none for rainy pictures (default: heavy:2)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/scene_demo'), help='folder (default: %(default)s)')
    parser.add_argument(
        '--if-possible', action='store_true', help='do nothing, and no harm, without mmdet or operators'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    if args.if_possible and any(importlib.util.find_spec(name) is None for name in ('mmcv._ext', 'mmdet', 'mmseg')):
        print(
            'Left out: a detector in the rain, which needs mmdet, mmseg and mmcv with its operators; `make test` sets'
        )
        print('them up, then: .venv/bin/python demo/scene_demo.py')
        return 0
    rain, failed = None if args.rain == 'none' else args.rain, False
    try:
        derainer = trained_derainer(args.model, args.weights)
        for kind in ('detector', 'segmentor'):
            name = getattr(args, kind)
            if name == 'none':
                continue
            task = load_task_model(name, getattr(args, f'{kind}_weights'))
            scenes = show_scenes(args.pictures, args.out / kind, derainer, task, rain, existing='replace')
            for picture, views in scenes.items():
                print(f'{kind}, {picture}')
                failed |= isinstance(views, str)
                lines = [views] if isinstance(views, str) else [f'{v.title:9} {"; ".join(v.notes)}' for v in views]
                print(*(f'  {line}' for line in lines), sep='\n')
    except (OSError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'pictures: {args.out.resolve()}')
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
