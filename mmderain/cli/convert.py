"""Convert a checkpoint of a network's authors to a checkpoint of mmderain.

    mmderain convert sian rain100h.pth sian_rain100h.pth
    mmderain convert jdnet net_latest.pth --name jdnet_rain200h

The first command writes a checkpoint file. The second one keeps the converted weights in the cache, so that other
commands find them by the name of the config: `mmderain derain --model jdnet_rain200h`.

The command writes weights only if SRC fits the network: no key may be unknown or missing, and every weight must have
the expected shape. Some checkpoints of authors contain weights that the network never uses. The command leaves these
out. It reads SRC with weights_only=True, so that no code in the file is run.
"""

import argparse
from pathlib import Path

from mmderain.errors import InputError
from mmderain.hub import config_names, named_models
from mmderain.hub.convert import NETWORKS, unused_weights
from mmderain.hub.index import find_config
from mmderain.hub.published import convert_file, store_converted
from mmderain.io import read_checkpoint, save_weights
from mmderain.io.download import local_file

from .options import add_trust_option, checkpoint_file


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain convert``."""
    parser = commands.add_parser('convert', doc=__doc__, help='convert the weights of the authors of a network')
    parser.add_argument('network', choices=sorted(NETWORKS), help='the network whose weights SRC contains')
    parser.add_argument('checkpoint', type=checkpoint_file, metavar='SRC', help="checkpoint of the network's authors")
    parser.add_argument('dst', nargs='?', type=Path, metavar='DST', help='checkpoint file to write')
    parser.add_argument(
        '--name', metavar='CONFIG', help='name of the config of these weights; the weights are kept in the cache'
    )
    add_trust_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Convert the checkpoint, and print the numbers of converted and of unused weights."""
    if (args.dst is None) == (args.name is None):
        raise InputError('expected exactly one of DST (the file to write) and --name (the name of a config)')
    source = local_file(args.checkpoint)
    if args.name is None:
        weights, path = convert_file(args.network, source), args.dst
        save_weights(path, weights, meta=dict(network=args.network, source=source.name))
    else:
        network = NETWORKS[args.network][1].__name__
        known = [entry for entry in named_models().values() if entry.file is not None or entry.url is not None]
        published = {name for entry in known for name in (entry.name, entry.config_name)}
        names = [n for n in config_names() if n not in published and find_config(n).model.network.type == network]
        if args.name not in names:
            raise InputError(
                f'--name {args.name}: expected the name of a config of {args.network} without bundled or published '
                f'weights. These configs are {", ".join(names)}'
            )
        weights = convert_file(args.network, source, find_config(args.name))
        path = store_converted(args.name, weights, source)
    print(f'{path}: {sum(value.numel() for value in weights.values()):,} values', end='')
    unused = unused_weights(args.network, read_checkpoint(source))
    left_out = sum(value.numel() for value in unused.values())
    print(f'; {left_out:,} values that the network never uses were left out ({", ".join(unused)})' if unused else '')
