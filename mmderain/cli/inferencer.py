"""Build the inferencer of ``mmderain derain``, and print results."""

import argparse

from mmderain.apis import DerainInferencer, InputResult

from .command import print_failure


def build_inferencer(args: argparse.Namespace, device: str | None) -> DerainInferencer:
    """Return the inferencer for the parsed arguments of ``mmderain derain``."""
    compiled = args.compile or None
    return DerainInferencer(
        args.model, args.weights, device, args.precision, args.tile, compiled, max_pixels=args.max_pixels
    )


def print_result(args: argparse.Namespace, result: InputResult) -> None:
    """Print the error of an input that failed, and what differs between a video and its result."""
    if result.error is not None:
        print_failure(args, result.error, result.reason)
    for note in result.notes:
        print(note)
