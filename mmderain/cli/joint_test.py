"""Measure the effect of rain and of derainers on the accuracy of a detector or segmentor.

    mmderain joint-test CONFIG CHECKPOINT --derainer nafnet --rain heavy light:2
    mmderain joint-test CONFIG CHECKPOINT --derainer SIAN sian_rain100h.py sian.pth

CONFIG is a config of mmdet or mmseg, and CHECKPOINT is the checkpoint of the model in CONFIG. Both files are used
unchanged.

The command runs the test loop of CONFIG once for each of these conditions:

* the clean test images;
* the clean images after each derainer, to show whether the derainer damages clean images;
* the rainy images, which are the test images with drawn rain;
* the rainy images after a median blur, to compare the derainers with a filter that was not designed for rain;
* the rainy images after each derainer;
* the images that another program derained (--folder);
* the clean images and the rainy images with another detector or segmentor (--baseline), such as a detector that was
  fine-tuned on rainy images.

Use --rain none if the test images already show real rain. The conditions with clean images are then left out.

The command prints a table with one row for each condition, and writes the table to --out. It also stores each finished
row. If the command is interrupted, run it again with the same arguments: it continues after the last finished row. If a
stored row depends on a file that has changed, such as a checkpoint, the command measures the row again.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mmderain import __version__
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.engine.machine import processor_name
from mmderain.hub import find_derainer, find_task_model
from mmderain.io.config import read_config
from mmderain.perception import joint_test
from mmderain.perception.joint_test.conditions import require_unique
from mmderain.rain import parse_rain

from .command import CommandParser, command
from .libraries import quiet_libraries
from .options import add_cfg_options, add_device_option, add_trust_option, checkpoint_file, positive_int, rain_help


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain joint-test``."""
    parser = commands.add_parser(
        'joint-test', doc=__doc__, help='measure the effect of rain and derainers on a detector or segmentor'
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the test."""
    parser.add_argument(
        'config',
        metavar='CONFIG',
        help='config of mmdet or mmseg, or the name of a detector or segmentor that `mmderain models` lists. The '
        'command uses the test set of the config',
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        type=checkpoint_file,
        metavar='CHECKPOINT',
        help='checkpoint file or URL of the detector or segmentor in CONFIG (default: the weights of a named model; '
        'required for a config file)',
    )
    add_trust_option(parser)
    parser.add_argument(
        '--derainer',
        nargs='+',
        action=AppendDerainer,
        default=[],
        metavar='WORD',
        help='a derainer to test, in one to three words: NAME, NAME DERAINER, or NAME DERAINER CHECKPOINT. NAME is the '
        'name of the derainer in the table. DERAINER is a name that `mmderain models` lists, or the path of a config '
        'file of a derainer (default: NAME). CHECKPOINT is the checkpoint of the derainer (default: the weights '
        'of a named model). Repeat the option to test several derainers (default: no derainer)',
    )
    parser.add_argument(
        '--baseline',
        nargs=3,
        action='append',
        default=[],
        metavar=('NAME', 'CONFIG', 'CHECKPOINT'),
        help='another detector or segmentor, for comparison. NAME is its name in the table, CONFIG its config and '
        'CHECKPOINT its checkpoint. Repeat the option for several models (default: none)',
    )
    parser.add_argument(
        '--folder',
        nargs=2,
        action='append',
        default=[],
        metavar=('NAME', 'DIR'),
        help='test images that another program derained. NAME is the name of this row in the table. DIR is the folder '
        'of these images. Each image must have the same relative path as in the test set. Repeat the option for '
        'several folders (default: none)',
    )
    parser.add_argument(
        '--rain',
        nargs='+',
        default=['heavy'],
        metavar='RAIN',
        help=f'{rain_help()}. If there are several values, each gets its own rows in the table (default: heavy)',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the random rain (default: 0)')
    parser.add_argument(
        '--limit', type=positive_int, metavar='N', help='use only the first N images of the test set (default: all)'
    )
    add_device_option(parser, 'cpu', 'the derainers')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='folder for the results (default: work_dirs/joint_test/<name of CONFIG>; with --limit N, '
        '"_first<N>" is added to the name)',
    )
    add_cfg_options(parser, 'test_dataloader.dataset.data_root=DIR')


class AppendDerainer(argparse.Action):
    """Collect derainers as tuples (name, derainer, checkpoint or None)."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Add one derainer."""
        words = list(values or [])
        if len(words) > 3:
            parser.error(f'{option_string} {" ".join(words)}: expected NAME [DERAINER [CHECKPOINT]]')
        name, derainer, checkpoint = words + [None] * (3 - len(words))
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), (name, derainer or name, checkpoint)])


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line of ``tools/joint_test.py``, which has the same arguments as ``mmderain joint-test``."""
    parser = CommandParser(__doc__)
    add_arguments(parser)
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Run the conditions, print a line of the table after each condition, and write the results."""
    # The results of the first N images must not replace the results of all images. Therefore their folder has another
    # name.
    suffix = '' if args.limit is None else f'_first{args.limit}'
    out = args.out or Path('work_dirs/joint_test') / f'{Path(args.config).stem}{suffix}'
    require_unique('--derainer', [name for name, *_ in args.derainer])
    require_unique('--folder', [name for name, _ in args.folder])
    for rain in args.rain:
        if rain != 'none':
            parse_rain(rain)
    derainers = {}
    for name, derainer, checkpoint in args.derainer:
        _, file = find_derainer(derainer, checkpoint)  # reports a wrong name before the first condition runs
        require_file(file)
        derainers[name] = dict(config=derainer, checkpoint=str(file)) if checkpoint else derainer
    config, weights = task_files(args.config, args.checkpoint)
    rows = list(
        joint_test.conditions(
            joint_test.TaskModel(Path(config).stem, config, weights),
            args.rain,
            derainers,
            [joint_test.TaskModel(name, *task_files(*files)) for name, *files in args.baseline],
            dict(args.folder),
            read_config(config).test_dataloader.dataset.get('data_root') or '.',
            args.seed,
            args.device,
        )
    )
    done: list[joint_test.Result] = []

    def show(row: joint_test.Condition, result: joint_test.Result) -> None:
        done.append(result)
        lines = joint_test.align_table(joint_test.make_table(rows[: len(done)], done), rows).splitlines()
        # Print the header once, and then one line for each row. Only the final table has values in the column
        # `recovery`, because they depend on other rows.
        print('\n'.join(lines if len(done) == 1 else lines[-1:]), f'   [{len(done)}/{len(rows)}]', flush=True)

    with keep_cpu_memory(), quiet_libraries('mmdet', 'mmseg'):
        results = joint_test.evaluate(rows, out / 'cache', args.limit, args.cfg_options, show)
    settings = dict(
        version=__version__,
        torch=torch.__version__,
        machine=processor_name(),
        threads=torch.get_num_threads(),
        command=sys.argv,
        images=results[0].images,
    )
    joint_test.write_report(rows, results, out, settings)
    written = 'table.md, table.csv, results.json, chart.png, gallery/'
    table = joint_test.markdown_table(joint_test.make_table(rows, results))
    print(f'\n{table}\n{results[0].images} images. Written to {out}: {written}')


main = command(parse_args)(run)


def task_files(model: str, weights: str | None) -> tuple[str, str]:
    """Return the config file and the checkpoint file of a detector or segmentor.

    Args:
        model: path of a config file, name of a config in a package, or name of a model.
        weights: path or URL of the checkpoint. None uses the weights of a named model.

    Raises:
        FileNotFoundError, InputError: a file does not exist, or no model has this name.
    """
    config, checkpoint = find_task_model(model, weights)
    require_file(checkpoint)
    return str(config.filename), str(checkpoint)


def require_file(path: Path | None) -> None:
    """Check that a file exists.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    if path is not None and not path.is_file():
        raise FileNotFoundError(f'{path}: no such file (looked for in {Path.cwd()})')
