"""Rain-free photographs made ready for training under synthetic rain: shrunk, and the large ones in quarters too.

    python tools/dataset_converters/photographs.py ~/Pictures rocket.jpg --dst data/photographs --without home

Each photograph is shrunk to a shorter side of --side pixels, about the size of the benchmarks' pictures, whose streaks
are a few pixels wide. One of at least twice that is cut into quarters, and each of them shrunk likewise: detail that
the whole loses. Writes DST/<name>.png, and DST/<name>_00.png (top left) to <name>_11.png; to be given to a config by
train_dataloader.dataset.data_root.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mmderain.apis.pictures import write_picture
from mmderain.datasets.pairing import list_images
from mmderain.errors import InputError
from mmderain.image import read_image


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, nargs='+', help='pictures, and folders of them')
    parser.add_argument('--dst', type=Path, default=Path('data/photographs'), help='default: %(default)s')
    parser.add_argument('--side', type=int, default=400, metavar='PIXELS', help='default: %(default)s')
    parser.add_argument(
        '--without', nargs='+', default=[], metavar='NAME', help='names without suffix, kept aside for testing'
    )
    return parser.parse_args(argv)


def shrink(img: np.ndarray, side: int) -> np.ndarray:
    """(H, W, 3) to a shorter side of ``side`` by averaging; the picture itself if it is no larger."""
    factor = side / min(img.shape[:2])
    if factor >= 1:
        return img
    height, width = (round(length * factor) for length in img.shape[:2])
    return cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA)


def parts(img: np.ndarray, side: int) -> dict[str, np.ndarray]:
    """Suffix of the name -> picture: the whole, and the quarters of a large one."""
    found = {'': shrink(img, side)}
    height, width = img.shape[:2]
    if min(height, width) >= 2 * side:
        for row in range(2):
            for column in range(2):
                rows = slice(row * height // 2, (row + 1) * height // 2)
                columns = slice(column * width // 2, (column + 1) * width // 2)
                found[f'_{row}{column}'] = shrink(img[rows, columns], side)
    return found


def sources(given: list[Path], without: list[str]) -> dict[str, Path]:
    """Name without suffix -> file.

    Raises:
        InputError: two of one name, a folder without pictures, or a name to leave out that is not among them.
    """
    found: dict[str, Path] = {}
    for entry in given:
        files = [entry / name for name in list_images(entry)] if entry.is_dir() else [entry]
        if not files:
            raise InputError(f'{entry}: no picture in this folder')
        for path in files:
            if path.stem in found:
                raise InputError(f'{path} and {found[path.stem]}: both would be written as {path.stem}.png')
            found[path.stem] = path
    missing = sorted(set(without) - set(found))
    if missing:
        raise InputError(f'--without {" ".join(missing)}: no picture is called so')
    return {name: path for name, path in found.items() if name not in without}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.side < 1:
            raise InputError(f'--side must be at least 1 px, found {args.side}')
        if args.dst.exists() and (not args.dst.is_dir() or any(args.dst.iterdir())):
            raise InputError(f'{args.dst}: is there already; name another folder, or remove it')
        photographs, number = sources(args.src, args.without), 0
        for name, path in track(photographs.items(), 'shrinking', transient=True):
            for suffix, part in parts(read_image(path), args.side).items():
                write_picture(part, args.dst / f'{name}{suffix}.png')
                number += 1
    except (OSError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{args.dst}: {number} pictures of {len(photographs)} photographs')
    return 0


if __name__ == '__main__':
    sys.exit(main())
