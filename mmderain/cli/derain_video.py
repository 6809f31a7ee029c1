"""Derain a camera, a stream or numbered images with ``mmderain derain``, in one process."""

import argparse
import contextlib
import signal
from pathlib import Path

from mmderain.apis import derain_video, serve_live
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.errors import InputError
from mmderain.io.files import resolve
from mmderain.io.video import VideoOptions
from mmderain.io.video.sequence import is_pattern, list_sequence

from .inferencer import build_inferencer, print_preparations


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
                args.temporal or 0,
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
    old = _numbered_files(target) if is_pattern(target) else {0: target} if target.exists() else {}
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
    inputs = _numbered_files(source) if is_pattern(source) else {}
    if not set(map(resolve, old.values())).isdisjoint(map(resolve, inputs.values())):
        raise InputError(f'{source}: the results would overwrite the images; name another target')
    inferencer = build_inferencer(args, args.device)
    with keep_cpu_memory():
        report = derain_video(
            inferencer.model, source, target, args.batch_size, max_pixels=args.max_pixels, options=options
        )
    if is_pattern(target):  # old images with other numbers do not belong to the result
        written = inputs or range(report.frames)
        for number, path in old.items():
            if number not in written:
                path.unlink()
    for note in report.notes:
        print(note)
    print_preparations(inferencer)
    print(f'{report.frames} frames derained; the result is {report.path}')
    return 0


def _numbered_files(pattern: Path) -> dict[int, Path]:
    """Return the images that match a pattern, keyed by their numbers; an empty dict if there are none."""
    try:
        return list_sequence(pattern)
    except InputError:
        return {}
