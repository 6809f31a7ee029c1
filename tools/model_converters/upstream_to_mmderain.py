"""Convert a checkpoint of a network's authors into mmderain's format.

    python tools/model_converters/upstream_to_mmderain.py sian rain100h.pth sian_rain100h.pth

The source is read with ``weights_only=True``. Every key of it must be known, every key that is needed must be
there, and all shapes must fit, or nothing is written.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

from mmderain.apis import read_checkpoint, save_weights
from mmderain.models import SIAN

#: Our key -> rows of their keys: the tensors of a row are joined along dim 1, the rows along dim 0.
Rules = dict[str, list[list[str]]]


class ConversionError(ValueError):
    """The source is not a checkpoint of the named network."""


def sian() -> tuple[Rules, list[str]]:
    """SIAN: coarsest scale first and eight convolutions a ConvLSTM -> finest first and one.

    Returns:
        The rules, and the keys that the authors' model holds but never uses.
    """
    modules = {'body.tran_conv': 'embed', 'body_end.2': 'reconstruct.2'}
    for ours, theirs in enumerate((2, 1, 0)):
        for part in ('conv_f', 'conv_m', 'conv_z'):
            modules[f'body.scale_conv.{theirs}.{part}.0'] = f'attention.{ours}.{part}'
    for ours, theirs in enumerate((1, 0)):
        modules[f'body.up_conv.{theirs}.conv_m.0'] = f'fusion.{ours}.conv'
    for block in (0, 1):
        for ours, theirs in ((1, 0), (2, 2)):
            modules[f'body_end.{block}.body.{theirs}'] = f'reconstruct.{block}.conv{ours}'
    rules = {
        f'{ours}.{kind}': [[f'{theirs}.{kind}']] for theirs, ours in modules.items() for kind in ('weight', 'bias')
    }
    for ours, theirs in enumerate((2, 1, 0)):
        cell = f'body.lstm.{theirs}.conv_'
        rules[f'lstm.{ours}.gates.weight'] = [[f'{cell}x{g}.weight', f'{cell}h{g}.weight'] for g in 'fioj']
        rules[f'lstm.{ours}.gates.bias'] = [[f'{cell}x{g}.bias'] for g in 'fioj']
    unused = [f'body.conv_m.{i}.{kind}' for i in (0, 2) for kind in ('weight', 'bias')]
    return rules, unused


#: Name on the command line -> rules, and our network with the paper's settings.
NETWORKS = {'sian': (sian, SIAN)}


def convert(name: str, source: object) -> dict[str, Tensor]:
    """An authors' state_dict -> our network's.

    Args:
        name: a key of ``NETWORKS``.
        source: what the authors' file holds.

    Raises:
        ConversionError: listing every unknown key, missing key and shape that does not fit.
    """
    if not isinstance(source, dict) or not all(isinstance(v, Tensor) for v in source.values()):
        raise ConversionError(f'expected a dict of tensors, found {type(source).__name__}')
    get_rules, network = NETWORKS[name]
    rules, unused = get_rules()
    used = {key for rows in rules.values() for row in rows for key in row}
    problems = [f'unknown key: {key}' for key in sorted(set(source) - used - set(unused))]
    problems += [f'missing key: {key}' for key in sorted(used - set(source))]
    if problems:
        raise ConversionError('\n'.join(problems))

    def join(tensors: list[Tensor], dim: int) -> Tensor:
        return tensors[0].clone() if len(tensors) == 1 else torch.cat(tensors, dim)

    expected = network().state_dict()
    weights = {}
    for key, tensor in expected.items():
        try:
            weights[key] = join([join([source[k] for k in row], 1) for row in rules[key]], 0)
        except RuntimeError as error:
            problems.append(f'{key}: {error}')
            continue
        if weights[key].shape != tensor.shape:
            problems.append(f'{key}: found shape {tuple(weights[key].shape)}, expected {tuple(tensor.shape)}')
    if problems:
        raise ConversionError('\n'.join(problems))
    return weights


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('network', choices=sorted(NETWORKS), help='whose checkpoint it is')
    parser.add_argument('src', type=Path, help="the authors' file")
    parser.add_argument('dst', type=Path, help='the file to write')
    args = parser.parse_args()
    try:
        source = read_checkpoint(args.src)
        weights = convert(args.network, source)
    except (ConversionError, OSError, ValueError) as error:
        print(f'{args.src} is no {args.network} checkpoint of its authors:\n{error}', file=sys.stderr)
        return 1
    save_weights(
        args.dst,
        {f'network.{key}': value for key, value in weights.items()},
        meta=dict(network=args.network, source=args.src.name),
    )
    unused = NETWORKS[args.network][0]()[1]
    left_out = sum(source[key].numel() for key in unused)
    print(f'{args.dst}: {sum(w.numel() for w in weights.values()):,} values', end='')
    print(f'; {left_out:,} that the model never uses were left out ({", ".join(unused)})' if unused else '')
    return 0


if __name__ == '__main__':
    sys.exit(main())
