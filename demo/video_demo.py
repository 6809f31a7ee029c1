"""Draw rain over a video, derain the rainy video, and measure the flicker of both.

    python demo/video_demo.py                                     five seconds of a bundled street video
    python demo/video_demo.py rainy.mp4 --rain none --frames 100  the first 100 frames of your own rainy video

Each frame gets its own rain, and is derained independently of the other frames. Therefore the remaining rain flickers.
The flicker is the mean absolute change of the pixel values from one frame to the next. With --rain none, the derained
video keeps the sound.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2

from mmderain.apis import derain_video, trained_derainer
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_model_options, add_rain_options, positive_int
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.io import read_frames, write_frames, write_image
from mmderain.io.video import VideoOptions
from mmderain.rain import draw_rain

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    video = ROOT / 'demo/street/street.mp4'
    parser.add_argument(
        'video',
        nargs='?',
        type=Path,
        default=video,
        help='clean video or, with --rain none, rainy video (default: demo/street/street.mp4)',
    )
    add_model_options(parser)
    add_rain_options(parser, 'heavy:2')
    parser.add_argument(
        '--frames', type=positive_int, metavar='N', help='use only the first N frames (default: use all frames)'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/video_demo'), help='folder for the videos (default: %(default)s)'
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Derain the video, and print the flicker before and after deraining."""
    derainer, rainy = trained_derainer(args.model, args.weights), args.video
    if args.rain != 'none':
        frames, rate = read_frames(args.video)
        taken = enumerate(islice(frames, args.frames), start=args.seed)
        rainy = args.out / 'rainy.mp4'
        write_frames((draw_rain(frame, args.rain, seed).rainy for seed, frame in taken), rainy, rate)
    with keep_cpu_memory():
        options = VideoOptions(measure_flicker=True, temporal=0)
        report = derain_video(derainer, rainy, args.out / 'derained.mp4', limit=args.frames, options=options)
    first = [next(read_frames(path)[0]) for path in (rainy, report.path)]
    write_image(cv2.hconcat(first), args.out / 'first_frame.png')
    print(f'{report.frames} frames' + (', with sound' if report.audio else ''))
    if report.flicker is not None:
        print(
            'flicker (mean change of a pixel value, 0 to 255, from frame to frame): '
            'rainy {:.2f}, derained {:.2f}'.format(*report.flicker)
        )
    print(f'videos and their first frame: {args.out.resolve()}')


if __name__ == '__main__':
    sys.exit(main())
