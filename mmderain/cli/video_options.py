"""Options of commands that write videos."""

import argparse
import os

from mmderain.io.video import CODECS, CONTAINERS, VideoOptions
from mmderain.io.video.options import TEMPORAL_METHODS

from .options import non_negative_int

_DEFAULTS = VideoOptions()


def add_video_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of videos, as a group of their own in the help text."""
    group = parser.add_argument_group('videos', 'these options have no effect on images')
    group.add_argument(
        '--codec',
        choices=list(CODECS),
        help='video codec. h264 is played by all browsers (default: vp9 for --container webm, else h264)',
    )
    defaults = ', '.join(f'{codec.crf} for {name}' for name, codec in CODECS.items())
    group.add_argument(
        '--crf',
        type=non_negative_int,
        metavar='N',
        help=f'quality. A smaller number means a better quality and a larger file (default: {defaults})',
    )
    group.add_argument(
        '--pix-fmt',
        metavar='NAME',
        help='pixel format by its name in FFmpeg. yuv444p keeps odd sizes and the full resolution of the colors, but '
        'some players refuse it (default: yuv420p with the bit depth of the source)',
    )
    group.add_argument(
        '--bit-depth',
        type=int,
        choices=[8, 10],
        help='bits per value. 8 also reduces sources with more bits (default: those of the source, at most 10)',
    )
    group.add_argument(
        '--odd',
        choices=['repeat', 'crop'],
        default=_DEFAULTS.odd,
        help='what to do with an odd width or height that the codec cannot store. repeat: repeat the last row or '
        'column; crop: remove it (default: %(default)s)',
    )
    group.add_argument(
        '--audio',
        choices=['copy', 'transcode', 'none'],
        default=_DEFAULTS.audio,
        help='copy: copy the sound, and report an error if the file format cannot hold it; transcode: encode such '
        'sound again, as AAC or Opus; none: leave out the sound (default: %(default)s)',
    )
    group.add_argument(
        '--container',
        choices=[suffix[1:] for suffix in CONTAINERS],
        default=_DEFAULTS.container,
        help='file format of the results (default: %(default)s)',
    )
    group.add_argument(
        '--temporal',
        type=non_negative_int,
        metavar='N',
        help='average each frame with N earlier frames, so that the result flickers less. 0 derains each frame on its '
        f'own, which is faster (default: {_DEFAULTS.temporal}; with --live 0)',
    )
    group.add_argument(
        '--temporal-method',
        choices=list(TEMPORAL_METHODS),
        help='method for --temporal. flow: align the frames by optical flow; fixed: do not align them, for a camera '
        'that does not move (default: flow)',
    )
    group.add_argument(
        '--share-segments',
        action='store_true',
        help='divide the segments of each video among the processes (--shard, torchrun, Slurm). The process that '
        'finishes the last segment writes the result. Needs --existing skip (default: divide whole videos)',
    )
    group.add_argument(
        '--rate',
        type=float,
        default=_DEFAULTS.rate,
        metavar='FPS',
        help='frames per second of a video that is made of numbered images (default: %(default)g)',
    )
    group.add_argument(
        '--live',
        action='store_true',
        help='show the derained frames of a camera or stream in the browsers of this machine, and write no file. INPUT '
        'is the number of a camera, or an address that begins with http://, https:// or rtsp://. Frames that arrive '
        'while the network is running are dropped',
    )
    group.add_argument(
        '--port', type=non_negative_int, default=8800, help='port of --live on 127.0.0.1 (default: %(default)s)'
    )


def video_options(args: argparse.Namespace) -> VideoOptions:
    """Return the options that were parsed by a parser with :func:`add_video_options`.

    Raises:
        InputError: a value is not as expected, for example a quality that the codec does not have.
    """
    # The encoder of AV1 prints thirty lines for each file, unless this variable is 1, which prints only errors.
    os.environ.setdefault('SVT_LOG', '1')
    return VideoOptions(
        codec=args.codec or CONTAINERS[f'.{args.container}'][0],
        crf=args.crf,
        pix_fmt=args.pix_fmt,
        bit_depth=args.bit_depth,
        odd=args.odd,
        audio=args.audio,
        container=args.container,
        temporal=_DEFAULTS.temporal if args.temporal is None else args.temporal,
        temporal_method=args.temporal_method,
        rate=args.rate,
    )
