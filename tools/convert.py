"""Convert a checkpoint of a network's authors into mmderain's format.

    python tools/convert.py sian rain100h.pth sian_rain100h.pth

The source is read with ``weights_only=True``. Every key of it must be known, every key that is needed must be present,
and all shapes must fit; otherwise nothing is written.
"""

import argparse
import sys
from pathlib import Path

from mmderain.errors import InputError
from mmderain.hub.convert import NETWORKS, convert, unused_weights
from mmderain.io import read_checkpoint, save_weights


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('network', choices=sorted(NETWORKS), help='network of the checkpoint')
    parser.add_argument('src', type=Path, help="the authors' file")
    parser.add_argument('dst', type=Path, help='the file to write')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        source = read_checkpoint(args.src)
        weights = convert(args.network, source)
    except FileNotFoundError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except InputError as error:
        print(f'error: {args.src} is not a {args.network} checkpoint of its authors:\n{error}', file=sys.stderr)
        return 1
    save_weights(
        args.dst,
        {f'network.{key}': value for key, value in weights.items()},
        meta=dict(network=args.network, source=args.src.name),
    )
    unused = unused_weights(args.network, source)
    left_out = sum(value.numel() for value in unused.values())
    print(f'{args.dst}: {sum(w.numel() for w in weights.values()):,} values', end='')
    print(f'; {left_out:,} that the model never uses were left out ({", ".join(unused)})' if unused else '')
    return 0


if __name__ == '__main__':
    sys.exit(main())
