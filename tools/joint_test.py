"""What rain takes from a detector or segmentor, and what derainers give back: one table.

    mmderain joint-test CONFIG CHECKPOINT --derainer sian sian --rain heavy light:2
    mmderain joint-test CONFIG CHECKPOINT --derainer SIAN sian_rain100h.py sian.pth --rain heavy light:2

CONFIG and CHECKPOINT are mmdet's or mmseg's, as they are. Each row is a run of the library's own test loop: clean
pictures, rainy ones, a median blur as a control, each derainer, clean pictures derained (does it harm?), pictures that
another program derained (--folder), and other checkpoints (--baseline), such as one fine-tuned on rain. Finished rows
are kept, so an interrupted evaluation continues, and a row is run anew when anything it depends on has changed.
"""

import argparse
import platform
import sys
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

from mmderain import __version__
from mmderain.errors import InputError
from mmderain.hub import find_derainer
from mmderain.perception.joint_test import (
    Condition,
    Result,
    TaskModel,
    align_table,
    conditions,
    evaluate,
    make_table,
    markdown_table,
    write_report,
)
from mmderain.perception.joint_test.conditions import refuse_repeated
from mmderain.rain import parse_rain


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of mmdet or mmseg; its test data are used')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument(
        '--derainer',
        nargs='+',
        action='append',
        default=[],
        metavar=('NAME', 'DERAINER [CHECKPOINT]'),
        help='name in the table, then a bundled model or a config, and its weights unless bundled; may be repeated',
    )
    parser.add_argument(
        '--baseline',
        nargs=3,
        action='append',
        default=[],
        metavar=('NAME', 'CONFIG', 'CHECKPOINT'),
        help='another task model; may be repeated',
    )
    parser.add_argument(
        '--folder',
        nargs=2,
        action='append',
        default=[],
        metavar=('NAME', 'DIR'),
        help='rainy test pictures that another program derained, under their names; may be repeated',
    )
    parser.add_argument(
        '--rain',
        nargs='+',
        default=['heavy'],
        metavar='RAIN',
        help='such as heavy:3 light:1 heavy+mist; none for data whose rain is real (default: heavy)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the rain (default: 0)')
    parser.add_argument('--limit', type=at_least_one, help='use the first so many images')
    parser.add_argument('--device', default='cpu', help='of the derainers (default: cpu)')
    parser.add_argument('--out', type=Path, help='default: work_dirs/joint_test/<config>')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='of the task configs')
    args = parser.parse_args(argv)
    for words in args.derainer:
        if len(words) not in (2, 3):
            parser.error(f'argument --derainer: expected NAME DERAINER [CHECKPOINT], found {" ".join(words)}')
    return args


def at_least_one(text: str) -> int:
    """A number of images."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number from 1 on, found {text!r}')
    return int(text)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    part = '' if args.limit is None else f'_first{args.limit}'  # its table must not replace that of all images
    out = args.out or Path('work_dirs/joint_test') / f'{Path(args.config).stem}{part}'
    try:
        refuse_repeated('--derainer', [name for name, *_ in args.derainer])
        refuse_repeated('--folder', [name for name, _ in args.folder])
        for rain in args.rain:
            if rain != 'none':
                parse_rain(rain)
        derainers, paths = {}, [args.config, args.checkpoint]
        for name, config, *checkpoint in args.derainer:
            find_derainer(config, *checkpoint)
            derainers[name] = dict(config=config, checkpoint=checkpoint[0]) if checkpoint else config
            paths += checkpoint
        for _, config, checkpoint in args.baseline:
            paths += [config, checkpoint]
        for path in paths:
            if '::' not in path and not Path(path).is_file():
                raise FileNotFoundError(f'{path}: no such file (looked for in {Path.cwd()})')
        data_root = Config.fromfile(args.config).test_dataloader.dataset.get('data_root') or '.'
        rows = list(
            conditions(
                TaskModel(Path(args.config).stem, args.config, args.checkpoint),
                args.rain,
                derainers,
                [TaskModel(*baseline) for baseline in args.baseline],
                dict(args.folder),
                data_root,
                args.seed,
                args.device,
            )
        )
        done: list[Result] = []

        def show(row: Condition, result: Result) -> None:
            done.append(result)
            lines = align_table(make_table(rows[: len(done)], done), rows).splitlines()
            # The head once, then a line a row; recovery is filled in where its references are known.
            print('\n'.join(lines if len(done) == 1 else lines[-1:]), f'   [{len(done)}/{len(rows)}]', flush=True)

        results = evaluate(rows, out / 'cache', args.limit, args.cfg_options, show)
        settings = dict(
            version=__version__, torch=torch.__version__, machine=platform.processor() or platform.machine()
        )
        settings.update(threads=torch.get_num_threads(), command=sys.argv, images=results[0].images)
        write_report(rows, results, out, settings)
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    written = 'table.md, table.csv, results.json, chart.png, gallery/'
    print(f'\n{markdown_table(make_table(rows, results))}\n{results[0].images} images. {out}: {written}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
