"""Convert a checkpoint of a network's authors to a checkpoint of mmderain.

    python tools/convert.py sian rain100h.pth sian_rain100h.pth

The tool writes DST only if SRC fits the network: no key may be unknown or missing, and every weight must have the
expected shape. Some checkpoints of authors contain weights that the network never uses. The tool leaves these out. It
reads SRC with weights_only=True, so that no code in the file is run.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import checkpoint_file
from mmderain.errors import InputError
from mmderain.hub.convert import NETWORKS, ConversionError, convert, unused_weights
from mmderain.io import read_checkpoint, save_weights


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('network', choices=sorted(NETWORKS), help='the network whose weights SRC contains')
    parser.add_argument('checkpoint', type=checkpoint_file, metavar='SRC', help="checkpoint of the network's authors")
    parser.add_argument('dst', type=Path, metavar='DST', help='checkpoint file to write')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Convert the checkpoint, and print the numbers of converted and of unused weights."""
    source = read_checkpoint(args.checkpoint)
    try:
        weights = convert(args.network, source)
    except ConversionError as error:
        raise InputError(
            f"{args.checkpoint} is not a checkpoint of {args.network} from the authors' code:\n{error}"
        ) from error
    named = {f'network.{key}': value for key, value in weights.items()}
    save_weights(args.dst, named, meta=dict(network=args.network, source=Path(args.checkpoint).name))
    print(f'{args.dst}: {sum(value.numel() for value in weights.values()):,} values', end='')
    unused = unused_weights(args.network, source)
    left_out = sum(value.numel() for value in unused.values())
    print(f'; {left_out:,} values that the network never uses were left out ({", ".join(unused)})' if unused else '')


if __name__ == '__main__':
    sys.exit(main())
