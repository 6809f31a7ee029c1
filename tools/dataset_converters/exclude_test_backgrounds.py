"""List the training pictures whose clean background is not in the test set.

    python tools/dataset_converters/exclude_test_backgrounds.py data/rain100h

546 of the 1,800 training images of Rain100H show a background of its test set; SIAN is trained without them.
No list of them is published: they are those whose clean picture equals a test one, pixel by pixel. Writes
``<root>/train/without_test_backgrounds.txt``, the rainy names that remain.
"""

import argparse
import hashlib
import os
import sys
from pathlib import Path

import numpy as np

from mmderain.datasets.pairing import list_images, pair_by_name
from mmderain.errors import InputError
from mmderain.image import read_image


def fingerprint(path: Path) -> bytes:
    """Hash of a picture's size and pixels, whatever its file format."""
    pixels = read_image(str(path))
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).digest()


def remaining(root: Path, pairing: str | dict) -> tuple[list[str], int]:
    """Rainy names of ``root/train`` to keep, and how many were left out."""
    train, test = root / 'train', root / 'test'
    for folder in (train / 'rain', train / 'norain', test / 'norain'):
        if not folder.is_dir():
            raise FileNotFoundError(f'{folder}: no such folder; it must lie as the data set config says')
    known = {fingerprint(test / 'norain' / path) for path in list_images(test / 'norain')}
    pairs, _, alone = pair_by_name(list_images(train / 'rain'), list_images(train / 'norain'), pairing)
    if alone:
        raise InputError(f'{len(alone)} rainy pictures have no clean partner, for example {alone[0]}')
    kept = [img.as_posix() for img, gt in pairs if fingerprint(train / 'norain' / gt) not in known]
    return kept, len(pairs) - len(kept)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('root', type=Path, help='holds train/{rain,norain} and test/norain')
    parser.add_argument('--expected', type=int, default=546, help='how many should be left out')
    args = parser.parse_args(argv)
    try:
        kept, left_out = remaining(args.root, dict(type='prefix', img='rain-', gt='norain-'))
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    target = args.root / 'train' / 'without_test_backgrounds.txt'
    part = target.with_suffix('.part')
    part.write_text(''.join(f'{name}\n' for name in kept), encoding='utf-8')
    os.replace(part, target)
    print(f'{target}: {len(kept)} pictures remain, {left_out} were left out')
    if left_out != args.expected:
        print(f'warning: expected {args.expected} to be left out; is this the published release?')
    return 0


if __name__ == '__main__':
    sys.exit(main())
