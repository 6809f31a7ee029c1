"""Show the predictions of a detector or segmentor for the clean, the rainy and the derained version of an image."""

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mmderain.apis import default_device, trained_derainer
from mmderain.apis.plan import Plan
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.io.folders import skipped_by_suffix
from mmderain.perception.scene import View
from mmderain.perception.scene_files import stream_scenes
from mmderain.perception.task import load_task_model
from mmderain.rain import parse_rain

from .command import ExpandPatterns, print_failure
from .libraries import quiet_libraries
from .options import (
    add_device_option,
    add_existing_option,
    add_keep_suffix_option,
    add_model_options,
    add_precision_option,
    add_rain_options,
    checkpoint_file,
    rain_or_none,
)

DOC = """Show the predictions of a {kind} for the clean, the rainy and the derained version of an image.

    mmderain {command} demo/street/*.jpg --out work_dirs/scenes
    mmderain {command} rainy_street.jpg --rain none --out work_dirs/scenes
    mmderain {command} demo/street/street.mp4 --out work_dirs/scenes

The input images must be clean: the command draws rain over each image, and derains the rainy image. Use --rain none if
the input images are already rainy. There is then no clean version.

The command writes one figure for each input image. The figure shows the versions of the image side by side, with the
predictions drawn on them. Below each version, a text describes the prediction. If there is a clean version, the text
below the other versions also contains their PSNR and SSIM.

For a video, the command writes a video with the versions of each frame side by side, and a JSON file with the
predictions for each frame.
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain detect`` and ``mmderain segment``."""
    for command, kind, library in (('detect', 'detector', 'mmdet'), ('segment', 'segmentor', 'mmseg')):
        parser = commands.add_parser(
            command,
            doc=DOC.format(kind=kind, command=command),
            help=f'show the predictions of a {kind} for the clean, the rainy and the derained version of an image',
        )
        parser.add_argument(
            'inputs',
            nargs='+',
            action=ExpandPatterns,
            metavar='INPUT',
            help='image file, video file, or folder of such files',
        )
        parser.add_argument('--out', required=True, metavar='FOLDER', help='folder for the figures (required)')
        add_existing_option(parser)
        add_keep_suffix_option(parser)
        add_rain_options(parser, 'heavy:2')
        parser.add_argument(
            f'--{kind}',
            dest='task',
            default=f'street-{kind}',
            metavar='MODEL',
            help=f'the {kind}: a name that `mmderain models` lists, the path of a config file of {library}, or the '
            f'name of a config of {library} in the format {library}::FOLDER/FILE.py (default: %(default)s)',
        )
        parser.add_argument(
            '--task-weights',
            type=checkpoint_file,
            metavar='FILE',
            help=f'checkpoint file or URL of the {kind} (default: the weights of a named model; required for a config)',
        )
        add_model_options(parser)
        add_device_option(parser)
        add_precision_option(parser)
        parser.set_defaults(run=run, kind=kind)


def run(args: argparse.Namespace) -> int:
    """Write the figures, and print the text of each figure."""
    rain = rain_or_none(args.rain)
    # A wrong rain or a wrong path is reported before the models are loaded.
    parse_rain(rain or 'heavy')
    Plan(args.inputs, args.out, args.existing)
    device = args.device or default_device()
    library = 'mmdet' if args.kind == 'detector' else 'mmseg'
    with keep_cpu_memory(), quiet_libraries(library):
        task = load_task_model(args.task, args.task_weights, device, args.kind)
        derainer = trained_derainer(args.model, args.weights, device, {'model.precision': args.precision})
        skipped: Counter[str] = Counter()
        options = args.existing, args.keep_suffix, skipped
        results = stream_scenes(args.inputs, args.out, derainer, task, rain, args.seed, *options)
        status = print_scenes(results, args.out, args)
    if text := skipped_by_suffix(skipped):
        print(text)
    return status


def print_scenes(
    results: Iterable[tuple[str, list[View] | Exception]], out: str | Path, args: argparse.Namespace
) -> int:
    """Print the text of each figure and each error, one after the other.

    Args:
        results: result of :func:`~mmderain.perception.scene_files.stream_scenes`.
        out: folder of the figures.
        args: parsed arguments of the command.

    Returns:
        1 if an input failed, else 0.
    """
    num_figures = num_failures = 0
    for name, views in results:
        if isinstance(views, Exception):
            num_failures += 1
            print_failure(args, views)
            continue
        num_figures += 1
        print(name)
        print(*(f'  {view.title:9} {"; ".join(view.notes)}' for view in views), sep='\n', flush=True)
    if num_figures:
        print(f'figures in {out}')
    return int(num_failures > 0)
