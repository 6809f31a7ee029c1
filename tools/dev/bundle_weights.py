r"""Add the weights of a trained network to the bundled models of the package.

    python tools/dev/bundle_weights.py nafnet derain/nafnet_photographs.py \
        work_dirs/queue/nafnet_photographs/iter_17000.pth --about 'NAFNet (2.0 M parameters), light to heavy streaks'

CHECKPOINT is a checkpoint of a training, or a .pth file in tools/dev/training_state. The tool writes the weights in
half precision to the file NAME.pth in the folder --weights. It also adds the entry NAME to index.json in this folder.
If the training averaged the weights (EMA), the tool writes the averaged weights.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import checkpoint_file
from mmderain.hub.bundle import bundle_weights
from mmderain.io import file_sha256

ROOT = Path(__file__).resolve().parents[2]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('name', metavar='NAME', help='name of the new model')
    parser.add_argument('config', metavar='CONFIG', help='config of the training, relative to configs/')
    parser.add_argument('checkpoint', type=checkpoint_file, metavar='CHECKPOINT', help='checkpoint file')
    parser.add_argument(
        '--about',
        required=True,
        metavar='TEXT',
        help='one-line description of the model for `mmderain models` (required)',
    )
    parser.add_argument(
        '--weights',
        type=Path,
        default=ROOT / 'mmderain/weights',
        metavar='DIR',
        help='folder of the bundled weights (default: mmderain/weights)',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Write the weights, and add the model to the index."""
    path = bundle_weights(args.name, args.config, args.checkpoint, args.about, ROOT / 'configs', args.weights)
    print(f'{path}: {path.stat().st_size:,} bytes, SHA-256 {file_sha256(path)}')


if __name__ == '__main__':
    sys.exit(main())
