"""A video under rain and derained, and how much both flicker.

    python demo/video_demo.py                                   # five seconds of a street that come along
    python demo/video_demo.py rainy.mp4 --rain none --frames 100  # one of yours that is rainy

Every frame has rain of its own and is derained by itself, so what is left of the rain flickers: the mean absolute
change from a frame to the next says how much. The sound comes along where ffmpeg is installed.
"""

import argparse
import sys
from itertools import islice
from pathlib import Path

import cv2

from mmderain import DEFAULT_DERAINER
from mmderain.apis import derain_video, trained_derainer
from mmderain.errors import InputError
from mmderain.io import read_frames, write_frames, write_image
from mmderain.rain import draw_rain

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'video', nargs='?', type=Path, default=ROOT / 'demo/street/street.mp4', help='default: demo/street/street.mp4'
    )
    parser.add_argument('--model', default=DEFAULT_DERAINER, help='one of `mmderain models` (default: %(default)s)')
    parser.add_argument('--weights', help='a checkpoint; default: those that come along')
    parser.add_argument('--rain', default='heavy:2', help='drawn over it; none for a rainy video (default: heavy:2)')
    parser.add_argument('--frames', type=int, help='so many from the start (default: all)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/video_demo'), help='folder (default: %(default)s)')
    args = parser.parse_args(argv)
    if args.frames is not None and args.frames < 1:
        parser.error(f'--frames: expected at least 1, found {args.frames}')
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        derainer, rainy = trained_derainer(args.model, args.weights), args.video
        if args.rain != 'none':
            frames, rate = read_frames(args.video)
            rained = (draw_rain(f, args.rain, n).rainy for n, f in enumerate(islice(frames, args.frames)))
            rainy = args.out / 'rainy.mp4'
            write_frames(rained, rainy, rate)
        report = derain_video(derainer, rainy, args.out / 'derained.mp4', limit=args.frames)
        shown = {name: next(read_frames(path)[0]) for name, path in (('rainy', rainy), ('derained', report.path))}
        write_image(cv2.hconcat(list(shown.values())), args.out / 'first_frame.png')
    except (OSError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{report.frames} frames' + (', with sound' if report.audio else ''))
    if report.flicker is not None:
        print('flicker, levels of 255 from a frame to the next: rainy {:.2f}, derained {:.2f}'.format(*report.flicker))
    print(f'videos and their first frame: {args.out.resolve()}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
