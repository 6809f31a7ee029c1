"""Rain-free photographs made ready for training under synthetic rain: shrunk, and the large ones in quarters too.

    python tools/dataset_converters/photographs.py ~/Pictures rocket.jpg --dst data/photographs --without home

Each photograph is shrunk to a shorter side of --side pixels, about the size of the benchmarks' pictures, whose streaks
are a few pixels wide. One of at least twice that is cut into quarters, and each of them shrunk likewise: detail that
the whole loses. Writes DST/<name>.png, and DST/<name>_00.png (top left) to <name>_11.png; to be given to a config by
train_dataloader.dataset.data_root.
"""

import argparse
import itertools
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mmderain.errors import InputError
from mmderain.io.image import image_size, list_images, read_image, write_image


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
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME', help='take these names only, without suffix')
    parser.add_argument('--no-quarters', action='store_true', help='write each photograph as a whole only')
    return parser.parse_args(argv)


def shrink(img: np.ndarray, side: int) -> np.ndarray:
    """(H, W, 3) to a shorter side of ``side`` by averaging; the picture itself if it is no larger."""
    factor = side / min(img.shape[:2])
    if factor >= 1:
        return img
    height, width = (round(length * factor) for length in img.shape[:2])
    return cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA)


def regions(size: tuple[int, int], side: int, quarters: bool = True) -> dict[str, tuple[slice, slice]]:
    """Suffix of the name -> rows and columns: of the whole, and of the quarters of a large one."""
    found = {'': (slice(None), slice(None))}
    if quarters and min(size) >= 2 * side:
        halves = [(slice(length // 2), slice(length // 2, length)) for length in size]
        for row, column in itertools.product(range(2), repeat=2):
            found[f'_{row}{column}'] = halves[0][row], halves[1][column]
    return found


def sources(args: argparse.Namespace) -> dict[str, Path]:
    """Find the photographs to write: name without suffix -> file.

    Raises:
        FileNotFoundError, InputError: two would be written under one name, a folder without images, no image, a name
            of --without or --only that is not among them, or nothing is left.
    """
    found: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for entry in args.src:
        files = [entry / name for name in list_images(entry)] if entry.is_dir() else [entry]
        if not entry.exists():
            raise FileNotFoundError(f'{entry}: no such picture or folder')
        if not files:
            raise InputError(f'{entry}: no picture in this folder')
        for path in files:
            if path.stem not in args.without and (not args.only or path.stem in args.only):
                for suffix in regions(image_size(path), args.side, not args.no_quarters):
                    name = path.stem + suffix
                    if name in taken:
                        raise InputError(f'{path} and {taken[name]}: both would be written as {name}.png; rename one')
                    taken[name] = path
            found[path.stem] = path
    for option, names in (('--without', args.without), ('--only', args.only)):
        missing = sorted(set(names) - set(found))
        if missing:
            raise InputError(f'{option} {" ".join(missing)}: no photograph has this name')
    kept = {name: path for name, path in found.items() if path in taken.values()}
    if not kept:
        raise InputError(f'--without {" ".join(args.without)}: leaves no picture')
    return kept


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    part = args.dst.with_name(f'.{args.dst.name}.part')  # DST comes whole or not at all
    try:
        if args.side < 1:
            raise InputError(f'--side must be at least 1 px, found {args.side}')
        if args.dst.exists() and (not args.dst.is_dir() or any(args.dst.iterdir())):
            raise InputError(f'{args.dst}: is there already; name another folder, or remove it')
        photographs, number = sources(args), 0
        for name, path in track(photographs.items(), 'shrinking', transient=True):
            img = read_image(path)
            for suffix, region in regions(img.shape[:2], args.side, not args.no_quarters).items():
                write_image(shrink(img[region], args.side), part / f'{name}{suffix}.png')
                number += 1
        part.replace(args.dst)
    except (OSError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print(f'{args.dst}: {number} pictures of {len(photographs)} photographs')
    return 0


if __name__ == '__main__':
    sys.exit(main())
