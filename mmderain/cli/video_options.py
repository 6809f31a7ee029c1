"""Options of commands that write videos."""

import argparse
import contextlib
import os
import signal
from pathlib import Path

from mmderain.apis import DerainInferencer, derain_video, serve_live
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.errors import InputError
from mmderain.io.video import CODECS, CONTAINERS, VideoOptions
from mmderain.io.video.options import TEMPORAL_METHODS
from mmderain.io.video.sequence import is_pattern, list_sequence

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
        help='copy: copy the sound unchanged, and refuse sound that the container cannot hold; transcode: encode such '
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
        default=_DEFAULTS.temporal,
        metavar='N',
        help='also use the N frames before a frame, so that the result flickers less (default: %(default)s)',
    )
    group.add_argument(
        '--temporal-method',
        choices=list(TEMPORAL_METHODS),
        help='method for --temporal. fixed: for a camera that does not move; flow: for a moving camera; the frames '
        'are aligned by optical flow (default: flow)',
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
        'is the number of a camera, or an address that begins with http://, https:// or rtsp://. Frames that come '
        'while the network is running are dropped',
    )
    group.add_argument(
        '--port', type=non_negative_int, default=8800, help='port of --live on 127.0.0.1 (default: %(default)s)'
    )


def build_inferencer(args: argparse.Namespace, device: str | None) -> DerainInferencer:
    """Return the inferencer for the parsed arguments of ``mmderain derain``."""
    compiled = args.compile or None
    return DerainInferencer(
        args.model, args.weights, device, args.precision, args.tile, compiled, max_pixels=args.max_pixels
    )


def run_live(args: argparse.Namespace) -> int:
    """Derain a live source until it ends, or until Ctrl+C or SIGTERM.

    Args:
        args: parsed arguments of ``mmderain derain``.

    Returns:
        The exit status: 0, or 143 after SIGTERM.

    Raises:
        InputError: there are several inputs.
    """
    if len(args.inputs) > 1:
        raise InputError(f'--live: found {len(args.inputs)} inputs; expected one camera or address')
    inferencer = build_inferencer(args, args.device)
    received = []

    def stop(number: int, _: object) -> None:
        received.append(number)
        raise KeyboardInterrupt  # stops like Ctrl+C

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with contextlib.suppress(KeyboardInterrupt), keep_cpu_memory():
            serve_live(
                inferencer.model,
                args.inputs[0],
                args.port,
                args.temporal,
                args.temporal_method,
                lambda url: print(f'{url}  (Ctrl+C ends the server)', flush=True),
            )
    finally:
        signal.signal(signal.SIGTERM, before)
    return 128 + received[0] if received else 0


def derain_numbered_images(args: argparse.Namespace, options: VideoOptions) -> int:
    """Derain numbered images as a video, or write a derained video as numbered images.

    The source or ``--out`` is a pattern such as ``frames/%05d.png``. The video that is made of ``frames/%05d.png`` is
    ``frames.mp4``.

    Args:
        args: parsed arguments of ``mmderain derain``.
        options: options of the result.

    Returns:
        The exit status 0.

    Raises:
        InputError: there are several inputs; the result exists and must not be replaced; or
            :func:`~mmderain.apis.derain_video` raises this error.
    """
    if len(args.inputs) > 1:
        raise InputError(f'found {len(args.inputs)} inputs; expected only one if --out or an input is a pattern')
    source, target = Path(args.inputs[0]), Path(args.out)
    if not is_pattern(target):
        target /= f'{source.parent.name or "frames"}.{options.container}'
    old = _existing_files(target)
    if old and args.existing == 'refuse':
        other = 'replace' if is_pattern(target) else 'replace or skip'
        raise InputError(f'{target}: already exists; use --existing {other}, or choose another --out')
    if old and args.existing == 'skip' and is_pattern(target):
        raise InputError(
            f'{target}: images exist, but mmderain cannot tell whether they are complete; use --existing replace, or '
            'choose another --out'
        )
    if old and args.existing == 'skip':
        print(f'{target} already exists, and was skipped')
        return 0
    if not {path.resolve() for path in old}.isdisjoint(path.resolve() for path in _existing_files(source)):
        raise InputError(f'{source}: the results would overwrite the images; name another target')
    inferencer = build_inferencer(args, args.device)
    with keep_cpu_memory():
        if is_pattern(target) and _existing_files(source):  # a wrong source must not cost the old results
            for path in old:
                path.unlink()
        report = derain_video(
            inferencer.model, source, target, args.batch_size, max_pixels=args.max_pixels, options=options
        )
    for note in report.notes:
        print(note)
    print(f'{report.frames} frames derained; the result is {report.path}')
    return 0


def _existing_files(path: Path) -> list[Path]:
    """Return the video at a path, or the images that match a pattern; an empty list if there are none."""
    if not is_pattern(path):
        return [path] if path.exists() else []
    try:
        return list(list_sequence(path).values())
    except InputError:
        return []


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
        temporal=args.temporal,
        temporal_method=args.temporal_method,
        rate=args.rate,
    )
