"""Measure how much earlier frames reduce the flicker of a derained video, and how they change its quality.

    python tools/benchmark_temporal.py                    a camera that does not move
    python tools/benchmark_temporal.py --pan 5            a moving camera

The tool draws other rain over each frame of a clean video, derains the frames, and applies each method of
``mmderain.apis.temporal`` with 2 and 4 earlier frames. The method ``residual`` is for comparison. It averages the rain
(rainy minus derained) of the aligned frames, and subtracts the mean from the rainy frame.

The PSNR compares the RGB values with those of the clean frames. The flicker is the mean absolute change of the
pixel values from one frame to the next. The first 4 frames are not measured, because they have too few earlier frames.
"""

import argparse
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from mmderain.apis import trained_derainer
from mmderain.apis.temporal import TemporalFilter
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_model_options, add_rain_options, non_negative_int, positive_int
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io import read_frames, to_bgr_uint8, to_rgb_tensor
from mmderain.io.video.options import TEMPORAL_METHODS
from mmderain.rain import draw_rain

ROOT = Path(__file__).resolve().parents[1]
SKIPPED = 4


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        'video', nargs='?', type=Path, default=ROOT / 'demo/street/street.mp4', help='clean video (default: a street)'
    )
    add_model_options(parser)
    add_rain_options(parser, 'heavy:3', allow_none=False)
    parser.add_argument('--frames', type=positive_int, default=24, help='number of frames (default: 24)')
    parser.add_argument(
        '--pan',
        type=non_negative_int,
        default=0,
        metavar='PIXELS',
        help='move the part of the frames that is used by this number of pixels for each frame (default: 0)',
    )
    parser.add_argument(
        '--window',
        type=positive_int,
        nargs=2,
        default=(192, 256),
        metavar=('HEIGHT', 'WIDTH'),
        help='size of the part of the frames that is used (default: 192 256)',
    )
    return parser.parse_args(argv)


def subtract_mean_rain(rainy: list[np.ndarray], derained: list[np.ndarray], number: int, earlier: int) -> np.ndarray:
    """Subtract the mean rain of several frames from a frame.

    The mean is over the frame ``number`` and the ``earlier`` frames before it. Optical flow aligns the earlier frames.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    gray = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in derained]
    rows, columns = np.mgrid[: gray[0].shape[0], : gray[0].shape[1]].astype(np.float32)
    rain = [rainy[number].astype(np.float32) - derained[number]]
    for other in range(number - earlier, number):
        shift = flow.calc(gray[number], gray[other], None)
        difference = rainy[other].astype(np.float32) - derained[other]
        rain.append(cv2.remap(difference, columns + shift[..., 0], rows + shift[..., 1], cv2.INTER_LINEAR))
    return np.rint(rainy[number] - np.mean(rain, axis=0)).clip(0, 255).astype(np.uint8)


def print_row(name: str, images: list[np.ndarray], clean: list[np.ndarray]) -> None:
    """Print the PSNR and the flicker of a video."""
    images = images[SKIPPED:]
    changes = [np.abs(a.astype(float) - b).mean() for a, b in zip(images, images[1:], strict=False)]
    score = '-'
    if clean:
        score = f'{np.mean([measure(a, b, "PSNR-RGB") for a, b in zip(images, clean[SKIPPED:], strict=True)]):.2f}'
    print(f'{name:26} {score:>7} {np.mean(changes):8.2f}')


def read_windows(args: argparse.Namespace) -> list[np.ndarray]:
    """Return the part of each frame that is used.

    Raises:
        InputError: the video has too few frames, or the part does not lie within a frame.
    """
    if args.frames < SKIPPED + 2:
        raise InputError(f'--frames: found {args.frames}; expected at least {SKIPPED + 2}')
    (height, width), found = args.window, []
    for number, frame in enumerate(islice(read_frames(args.video)[0], args.frames)):
        top, left = 100 + args.pan * number // 2, 100 + args.pan * number
        if top + height > frame.shape[0] or left + width > frame.shape[1]:
            raise InputError(
                f'{args.video}: frame {number} has {frame.shape[1]}x{frame.shape[0]} pixels; expected at least '
                f'{left + width}x{top + height}; use a smaller --window, --pan or --frames'
            )
        found.append(np.ascontiguousarray(frame[top : top + height, left : left + width]))
    if len(found) < SKIPPED + 2:
        raise InputError(f'{args.video}: has {len(found)} frames; expected at least {SKIPPED + 2}')
    return found


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Derain the frames, and print a row for each method."""
    clean = read_windows(args)
    rainy = [draw_rain(frame, args.rain, args.seed + number).rainy for number, frame in enumerate(clean)]
    model = trained_derainer(args.model, args.weights)
    with keep_cpu_memory(), torch.inference_mode():
        derained = [to_bgr_uint8(model.restore(to_rgb_tensor(frame)[None])[0]) for frame in rainy]
    print(f'{"":26} {"PSNR":>7} {"flicker":>8}')
    print_row('clean', clean, [])
    print_row('rainy', rainy, clean)
    print_row('derained frame by frame', derained, clean)
    for earlier in (2, 4):
        for method in TEMPORAL_METHODS:
            steady: Callable = TemporalFilter(earlier, method)
            print_row(f'{method}, {earlier} earlier frames', [steady(image) for image in derained], clean)
        numbers = range(SKIPPED, len(clean))
        result = [subtract_mean_rain(rainy, derained, number, earlier) for number in numbers]
        print_row(f'residual, {earlier} earlier frames', derained[:SKIPPED] + result, clean)


if __name__ == '__main__':
    sys.exit(main())
