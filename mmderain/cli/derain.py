"""Derain images and videos.

    mmderain derain rainy.jpg --out derained
    mmderain derain holiday/ video.mp4 --out derained --precision fp32
    mmderain derain photos/ --out derained --batch-size 16 --log run.jsonl --existing skip
    torchrun --nproc-per-node 8 -m mmderain.cli derain photos/ --out derained --log-file run.jsonl

Each result file has the name of its input file. Results of folders have the sub-folders of the input folder. The result
of a video is an .mp4 file. The result of an image is a .png file if mmderain cannot write the format of the image. If a
file named a.jpg has transparent pixels, its result is a.jpg.png.

If an input cannot be derained, the command prints its error and derains the other inputs. The exit status is then 1.
After Ctrl+C, the command writes the results that the network has finished, and the exit status is 130. A second Ctrl+C
ends it at once. A result file is always complete. To continue, run the same command with --existing skip.

Several processes can divide the inputs (docs/en/scale.md): processes of torchrun or srun, the tasks of a Slurm array,
and with --engine ray the machines of a Ray cluster. Each process uses its own GPU and its own log.

Inputs and --out can be URLs: s3:// and gs://, and for single images also http:// and https://. Inputs can also be
WebDataset shards: shards/{000..099}.tar. URLs and patterns need `pip install "mmderain[remote]"`.
"""

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from threading import Event

from mmderain.apis.determinism import compute_deterministically, deterministic_options
from mmderain.apis.pipeline import WORKERS
from mmderain.apis.plan import Plan
from mmderain.apis.plans import make_plan
from mmderain.apis.remote_plan import RemotePlan
from mmderain.apis.run_log import finished_outputs
from mmderain.apis.shards import Placement, Shard, placement
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.errors import InputError
from mmderain.io.folders import skipped_by_suffix
from mmderain.io.image_header import MAX_PIXELS
from mmderain.io.naming import Naming
from mmderain.io.video import VideoOptions
from mmderain.io.video.sequence import is_pattern

from .command import ExpandPatterns
from .derain_video import derain_numbered_images, run_live
from .inferencer import build_inferencer, print_preparations, print_result
from .launchers import choose_shard, own_device, require_single_process, wait_for_other_processes
from .options import (
    add_device_option,
    add_existing_option,
    add_keep_suffix_option,
    add_model_options,
    add_precision_option,
    non_negative_int,
    positive_int,
)
from .ray_engine import add_ray_options, check_engine, derain_on_ray
from .video_options import add_video_options, video_options


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain derain``."""
    parser = commands.add_parser('derain', doc=__doc__, help='derain images and videos')
    parser.add_argument(
        'inputs',
        nargs='+',
        action=ExpandPatterns,
        metavar='INPUT',
        help='image file, video file, or folder. All images and videos in a folder and in its sub-folders are derained',
    )
    parser.add_argument('--out', metavar='FOLDER', help='folder for the result files (required, except with --live)')
    add_existing_option(parser)
    add_keep_suffix_option(parser)
    add_model_options(parser)
    add_device_option(parser)
    add_precision_option(parser)
    parser.add_argument(
        '--tile',
        type=non_negative_int,
        metavar='PIXELS',
        help='side length of square tiles in pixels. An image that is larger than a tile is divided into tiles, which '
        'are derained one after another. 0: never use tiles (default: use tiles only if the memory is too small for '
        'the whole image)',
    )
    parser.add_argument(
        '--batch-size',
        type=positive_int,
        default=1,
        metavar='N',
        help='number of images or video frames of the same size that the network processes together (default: 1)',
    )
    parser.add_argument(
        '--workers',
        type=positive_int,
        default=WORKERS,
        metavar='N',
        help=f'number of threads that read and write files while the network runs (default: {WORKERS})',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='run the network through torch.compile. The compilation takes a minute or more for each new image size. '
        'After the compilation, each image takes less time. This is useful for videos and for many images of the same '
        'size (default: do not compile)',
    )
    parser.add_argument(
        '--prepare',
        action='store_true',
        help='compile the network after the first image of a size, measure it, and use it for this size if it is '
        'faster. The command prints the gain (default: do not compile)',
    )
    parser.add_argument(
        '--max-pixels',
        type=positive_int,
        default=MAX_PIXELS,
        metavar='N',
        help='largest accepted number of pixels (width times height) of an image or a video frame. Larger files are '
        'refused before they are decoded (default: 500 million)',
    )
    parser.add_argument(
        '--log',
        '--log-file',  # torchrun refuses --log, because it abbreviates several of its own options
        metavar='FILE',
        help='append a line in JSON to this file for each input. With --existing skip, inputs that the log names as '
        'complete are skipped. If several processes divide the inputs, each process writes its own log, for example '
        'run.3-of-16.jsonl instead of run.jsonl (default: no log)',
    )
    parser.add_argument(
        '--shard',
        metavar='N/COUNT',
        help='derain only part N of COUNT parts of the inputs; N counts from 1, as in 3/16 (default: the part that '
        'torchrun or Slurm gives to this process, or all inputs)',
    )
    parser.add_argument(
        '--deterministic',
        action='store_true',
        help='compute exactly the same results with any number of processes: one CPU thread for each process, '
        'batches of one image, fp32 instead of --precision auto, and no tiles without --tile (default: results can '
        'differ by one level between batches and between machines)',
    )
    add_ray_options(parser)
    add_video_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Derain the inputs, and print the number of derained inputs and of skipped inputs."""
    options = video_options(args)
    place = placement()
    if args.live:
        require_single_process(args, place, '--live')
        return run_live(args)
    if args.out is None:
        args.parser.error('the following arguments are required: --out')
    if is_pattern(args.out) or any(is_pattern(name) for name in args.inputs):
        require_single_process(args, place, 'numbered images')
        return derain_numbered_images(args, options)
    check_engine(args, has_other_processes=place is not None)
    if args.engine == 'ray':
        counts, stopped = derain_on_ray(args, options)
        print_counts(counts, args.out, None, bool(stopped))
        return 128 + stopped if stopped else 1 if counts['failed'] else 0
    try:
        status = run_here(args, options, place)
    except Exception:  # without the wait, torchrun would stop the other processes
        wait_for_other_processes(is_error=True)
        raise
    wait_for_other_processes(is_error=status != 0)
    return status


def run_here(args: argparse.Namespace, options: VideoOptions, place: Placement | None) -> int:
    """Derain the inputs, or the part of them that belongs to this process, and return the exit status."""
    shard = choose_shard(args.shard, place)
    if args.share_segments and args.existing != 'skip':  # the result of another process is not an old result
        raise InputError('--share-segments: needs --existing skip, so that a process can skip finished videos')
    if args.deterministic:
        args.precision, args.tile = deterministic_options(args.batch_size, args.precision, args.tile)
        compute_deterministically()
    log = shard.log_path(args.log) if args.log and shard else args.log
    finished = finished_outputs(log) if log and args.existing == 'skip' else ()
    if args.share_segments and shard:
        options = replace(options, shard=(shard.index, shard.count))
    naming = Naming(options.container, args.keep_suffix)
    plan = make_plan(args.inputs, args.out, args.existing, shard, finished, naming, args.share_segments)
    counts = dict(done=0, skipped=0, failed=0, partial=0)
    with keep_cpu_memory():
        inferencer = build_inferencer(args, args.device or own_device(place))
        with stop_event() as (stop, received):
            for result in inferencer.run(plan, args.batch_size, sys.stderr.isatty(), args.workers, options, log, stop):
                print_result(args, result)
                counts['skipped' if result.skipped else {'ok': 'done'}.get(result.status, result.status)] += 1
    counts['skipped'] += plan.num_finished
    print_preparations(inferencer)
    print_counts(counts, args.out, shard, bool(received))
    if isinstance(plan, Plan | RemotePlan) and (text := skipped_by_suffix(plan.skipped)):
        print(text)
    if received:
        text = f'stopped by {signal.Signals(received[0]).name}; to continue, run the same command with --existing skip'
        print(text, file=sys.stderr)
        return 128 + received[0]
    return 1 if counts['failed'] else 0


@contextlib.contextmanager
def stop_event() -> Iterator[tuple[Event, list[int]]]:
    """Catch SIGINT (Ctrl+C) and SIGTERM while a ``with`` block runs.

    Yields:
        An event and a list. The first signal sets the event, and its number is appended to the list.

    Raises:
        KeyboardInterrupt: SIGINT was received a second time.
    """
    stop, received = Event(), list[int]()

    def receive(number: int, _: object) -> None:
        if not received:
            received.append(number)
            stop.set()
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only the main thread can catch signals
        yield stop, received
        return
    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop, received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def print_counts(counts: dict[str, int], out: str, shard: Shard | None, is_stopped: bool = False) -> None:
    """Print the numbers of derained and of skipped inputs. After a stop, the number of all inputs is not known."""
    total = '' if is_stopped else f' of {sum(counts.values())}'
    text = f'{counts["done"]}{total} inputs derained' + (' before the stop' if is_stopped else '')
    if counts['skipped']:
        text += f', {counts["skipped"]} skipped because the result file already exists'
    if counts.get('partial'):
        text += f', {counts["partial"]} left to the processes that finish the other segments'
    text += f'; the results are in {out}' if counts['done'] or counts['skipped'] else ''
    print(f'part {shard}: {text}' if shard else text)
