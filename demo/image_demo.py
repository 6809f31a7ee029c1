"""Draw rain over an image, derain the rainy image, and write a figure of the clean, rainy and derained image.

    python demo/image_demo.py                                       a bundled image, with heavy rain
    python demo/image_demo.py rainy.jpg --rain none --out out.png   your own rainy image

If rain is drawn, the figure also gives PSNR and SSIM of the rainy and of the derained image.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmderain.apis import trained_derainer
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_model_options, add_rain_options, rain_or_none
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.io.image import read_image, write_image
from mmderain.perception.scene import figure, view_scene

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    image = ROOT / 'demo/sample/test/china.jpg'
    parser.add_argument(
        'image',
        nargs='?',
        type=Path,
        default=image,
        help='clean image or, with --rain none, rainy image (default: demo/sample/test/china.jpg)',
    )
    add_model_options(parser)
    add_rain_options(parser, 'heavy')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/image_demo.png'), help='image file to write (default: %(default)s)'
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Write the figure, and print the scores."""
    derainer = trained_derainer(args.model, args.weights)
    with keep_cpu_memory():
        views = view_scene(read_image(args.image), derainer, rain=rain_or_none(args.rain), seed=args.seed)
    write_image(figure(views), args.out)
    for view in views:
        print(f'{view.title:9} {"; ".join(view.notes)}')
    print(f'image: {args.out.resolve()}')


if __name__ == '__main__':
    sys.exit(main())
