"""A picture clean, rainy and derained, with PSNR and SSIM below.

python demo/image_demo.py                                     # a picture that comes along, under heavy rain
python demo/image_demo.py rainy.jpg --rain none --out out.png   # one of yours that is rainy
"""

import argparse
import sys
from pathlib import Path

from mmderain import DEFAULT_DERAINER
from mmderain.apis import trained_derainer
from mmderain.errors import InputError
from mmderain.io.image import read_image, write_image
from mmderain.perception.scene import figure, view_scene

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'picture', nargs='?', type=Path, default=ROOT / 'demo/sample/test/china.jpg', help='default: a sample picture'
    )
    parser.add_argument('--model', default=DEFAULT_DERAINER, help='one of `mmderain models` (default: %(default)s)')
    parser.add_argument('--weights', help='a checkpoint; default: those that come along')
    parser.add_argument('--rain', default='heavy', help='drawn over it; none for a rainy picture (default: heavy)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/image_demo.png'), help='default: %(default)s')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        derainer = trained_derainer(args.model, args.weights)
        views = view_scene(read_image(args.picture), derainer, rain=None if args.rain == 'none' else args.rain)
        write_image(figure(views), args.out)
    except (OSError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for view in views:
        print(f'{view.title:9} {"; ".join(view.notes)}')
    print(f'picture: {args.out.resolve()}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
