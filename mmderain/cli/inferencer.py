"""Build the inferencer of ``mmderain derain``, and print results."""

import argparse

from mmderain.apis import DerainInferencer, InputResult
from mmderain.errors import InputError

from .command import print_failure


def build_inferencer(args: argparse.Namespace, device: str | None) -> DerainInferencer:
    """Return the inferencer for the parsed arguments of ``mmderain derain``."""
    if args.compile and args.prepare:
        raise InputError('--compile and --prepare: both compile the network; use one of them')
    if args.deterministic and args.prepare:
        raise InputError('--deterministic and --prepare: a compiled network rounds differently; use one of them')
    compiled = args.compile or None
    return DerainInferencer(
        args.model, args.weights, device, args.precision, args.tile, compiled, args.max_pixels, args.prepare
    )


def print_preparations(inferencer: DerainInferencer) -> None:
    """Print a line for each image size for which the network was compiled, with the measured gain."""
    if inferencer.model.fast_path is not None:
        for preparation in inferencer.model.fast_path.preparations.values():
            print(preparation)


def print_result(args: argparse.Namespace, result: InputResult) -> None:
    """Print the error of an input that failed, and what differs between a video and its result."""
    if result.error is not None:
        print_failure(args, result.error, result.reason)
    for note in result.notes:
        print(note)
