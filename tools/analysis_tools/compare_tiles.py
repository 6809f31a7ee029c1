"""How far a picture derained by tiles is from the same picture derained whole; or what a very large one takes.

    python tools/analysis_tools/compare_tiles.py sian --tile 256 --picture photo.jpg
    python tools/analysis_tools/compare_tiles.py configs/derain/sian_rain100h.py --weights sian_rain100h.pth --tile 256
    python tools/analysis_tools/compare_tiles.py sian --size 6000x8000

Prints the largest difference, on 0..255, and the PSNR of RGB. With --size the picture is repeated to that size and
derained as `mmderain derain` would do it, by tiles where memory asks for it; printed are the time and what the process
held at most above what it held before, the picture and its result included (Linux). --untrained takes random weights.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from measuring import resident, size

from mmderain.apis import init_model, trained_derainer
from mmderain.errors import InputError
from mmderain.hub import find_derainer
from mmderain.io.image import read_image, to_rgb_tensor

ROOT = Path(__file__).resolve().parents[2]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', help='one of `mmderain models`, or a config file')
    parser.add_argument('--weights', help='a checkpoint; default: those that come along')
    parser.add_argument('--untrained', action='store_true', help='take random weights')
    parser.add_argument(
        '--picture', type=Path, default=ROOT / 'demo/sample/test/china.jpg', help='default: %(default)s'
    )
    parser.add_argument('--tile', type=int, default=256, metavar='PIXELS', help='side of a tile (default: 256)')
    parser.add_argument(
        '--size', type=size, metavar='HxW', help='repeat the picture to this size, and derain that once'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    torch.manual_seed(0)
    try:
        model = (
            init_model(find_derainer(args.model)[0]) if args.untrained else trained_derainer(args.model, args.weights)
        )
        img = read_image(args.picture)
    except (OSError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    if args.size:
        height, width = args.size
        repeats = (-(-height // img.shape[0]), -(-width // img.shape[1]), 1)
        with torch.inference_mode():
            model.restore(torch.zeros(1, 3, 64, 64))  # what is set up once
            Path('/proc/self/clear_refs').write_text('5')  # the peak so far is forgotten
            before, start = resident('VmRSS'), time.monotonic()
            model.restore(to_rgb_tensor(np.tile(img, repeats)[:height, :width])[None])
        spent, held = time.monotonic() - start, resident('VmHWM') - before
        print(f'{height}x{width}: {spent:.0f} s, at most {held / 2**30:.2f} GiB above what was held before')
        return 0
    picture = to_rgb_tensor(img)[None]
    with torch.inference_mode():
        whole, tiled = model.restore(picture, tile=0), model.restore(picture, tile=args.tile)
    error = (whole - tiled).double().square().mean().item()
    psnr = math.inf if error == 0 else -10 * math.log10(error)
    print(
        f'{type(model.network).__name__}, {img.shape[1]}x{img.shape[0]}, tiles of {args.tile}: largest difference '
        f'{255 * (whole - tiled).abs().max():.5f} of 255, PSNR {psnr:.1f} dB'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
