"""The command ``mmderain``: thin fronts of what the package and its tools do."""

import argparse
import contextlib
import importlib.util
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from mmderain import DEFAULT_DERAINER, __version__
from mmderain.errors import InputError

TOOLS = Path(__file__).resolve().parent / '.mim' / 'tools'
#: Commands that are a tool of their own: where it lies, and what it does.
TOOL_COMMANDS = {
    'rain': ('dataset_converters/synthesize_rain.py', 'draw synthetic rain over a folder of pictures'),
    'joint-test': ('joint_test.py', 'measure what rain takes from a detector or segmentor, and what comes back'),
}
EPILOG = """exit status: 0 all done, 1 something could not be done (said on the last lines), 2 wrong arguments

examples:
  mmderain derain rainy.jpg --out derained
  mmderain derain holiday/ video.mp4 --out derained --precision fp32
  mmderain detect demo/street/*.jpg --out detected
  mmderain segment rainy_street.jpg --rain none --out segmented
  mmderain rain photos rainy --rain light+drops:2
  mmderain web
"""


def build_parser() -> argparse.ArgumentParser:
    """Of the commands that are not a tool of their own."""
    parser = argparse.ArgumentParser(
        prog='mmderain',
        description='Take rain out of pictures and videos, draw it, and measure what that does to detectors.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'mmderain {__version__}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)

    derain = commands.add_parser('derain', help='take the rain out of pictures, folders and videos')
    derain.add_argument('inputs', nargs='+', metavar='INPUT', help='picture, video, or folder of them')
    derain.add_argument('--out', required=True, metavar='FOLDER', help='where the results go, under the same names')
    derain.add_argument(
        '--tile',
        type=non_negative_int,
        metavar='PIXELS',
        help='cut pictures into tiles of this side; 0 never (default: where memory asks for it)',
    )
    derain.add_argument('--batch-size', type=int, default=1, metavar='N', help='pictures at a time (default: 1)')
    derain.add_argument(
        '--compile',
        action='store_true',
        help='by torch.compile: a minute or more for each new size, then less time a picture: for videos and many '
        'pictures of one size',
    )
    add_common_arguments(derain)
    derain.set_defaults(run=run_derain)

    for name, kind in (('detect', 'detector'), ('segment', 'segmentor')):
        look = commands.add_parser(
            name,
            help=f'show what a {kind} finds in a scene clean, rainy and derained',
            description=f'Draw what a {kind} finds in the same scene clean, rainy and derained, with figures below.',
        )
        look.add_argument('inputs', nargs='+', metavar='INPUT', help='picture, or folder of them')
        look.add_argument('--out', required=True, metavar='FOLDER', help='where the figures go, under the same names')
        look.add_argument(
            '--rain',
            default='heavy:2',
            help="drawn over the picture, for example 'light' or 'heavy:4+mist'; none if it rains already "
            '(default: %(default)s)',
        )
        look.add_argument('--seed', type=int, default=0, help='of the rain (default: 0)')
        look.add_argument(
            f'--{kind}',
            dest='task',
            default=f'street-{kind}',
            metavar='MODEL',
            help='one of `mmderain models`, or a config of mmdet or mmseg: a file, or mmdet::... '
            '(default: %(default)s)',
        )
        look.add_argument(
            '--task-weights', metavar='FILE', help=f'checkpoint of the {kind}; default: the one that comes along'
        )
        add_common_arguments(look)
        look.set_defaults(run=run_scene, kind=kind)

    models = commands.add_parser('models', help='list the models that can be named')
    models.set_defaults(run=run_models)

    web = commands.add_parser('web', help='serve a page where one drops a picture and sees it derained')
    web.add_argument(
        '--host', default='127.0.0.1', help='address to listen at (default: %(default)s, this machine only)'
    )
    web.add_argument('--port', type=int, default=7860, help='default: %(default)s')
    web.add_argument('--max-upload', type=int, default=20, metavar='MB', help='of a picture (default: %(default)s)')
    web.add_argument('--model', help='a derainer beside those that come along: a name or a config file')
    web.add_argument('--weights', help='its checkpoint')
    web.add_argument('--device', help='cpu, cuda:0, ... (default: a GPU if there is one)')
    web.set_defaults(run=run_web)
    for name, (_, summary) in TOOL_COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser


def non_negative_int(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'expected a whole number from 0, found {text!r}')
    return int(text)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of every command that derains."""
    parser.add_argument(
        '--model', default=DEFAULT_DERAINER, help='one of `mmderain models`, or a config file (default: %(default)s)'
    )
    parser.add_argument('--weights', help='a checkpoint; default: those that come along with the model')
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: a GPU if there is one)')
    parser.add_argument(
        '--precision',
        choices=['auto', 'fp32', 'bf16', 'fp16'],
        default='auto',
        help='auto: bf16 where the device has it in hardware and it is measured to be faster, else fp32 '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--existing',
        choices=['refuse', 'skip', 'replace'],
        default='refuse',
        help='what to do with results that are there already (default: refuse, before anything is done)',
    )


def run_derain(args: argparse.Namespace) -> int:
    """``mmderain derain``."""
    from mmderain.apis import DerainInferencer  # here, because importing torch takes seconds

    inferencer = DerainInferencer(
        args.model, args.weights, args.device, args.precision, args.tile, args.compile or None
    )
    result = inferencer(
        args.inputs, batch_size=args.batch_size, out_dir=args.out, existing=args.existing, progress=sys.stderr.isatty()
    )
    done = sum(prediction is not None for prediction in result.predictions)
    print(f'{done} of {len(result.predictions)} derained' + (f', in {args.out}' if done else ''))
    for reason in result.failures.values():
        print(f'error: {reason}', file=sys.stderr)
    return 1 if result.failures else 0


def run_scene(args: argparse.Namespace) -> int:
    """``mmderain detect`` and ``mmderain segment``."""
    from mmderain.apis import default_device, trained_derainer
    from mmderain.apis.pipeline import expand_inputs, result_paths
    from mmderain.perception.scene import show_scenes
    from mmderain.perception.task import load_task_model
    from mmderain.rain import parse_rain

    rain = None if args.rain == 'none' else args.rain
    parse_rain(rain or 'heavy')  # a wrong name is said before models are loaded
    result_paths(list(expand_inputs(args.inputs, args.out)), args.out, args.existing)  # and wrong paths
    device = args.device or default_device()
    task = load_task_model(args.task, args.task_weights, device)
    if task.kind != args.kind:
        raise InputError(f'{args.task}: is a {task.kind}; expected a {args.kind}')
    derainer = trained_derainer(args.model, args.weights, device, {'model.precision': args.precision})
    results = show_scenes(args.inputs, args.out, derainer, task, rain, args.seed, args.existing)
    for name, views in results.items():
        if isinstance(views, str):
            print(f'error: {views}', file=sys.stderr)
            continue
        print(name)
        for view in views:
            print(f'  {view.title:9} {"; ".join(view.notes)}')
    failed = [views for views in results.values() if isinstance(views, str)]
    if len(failed) < len(results):
        print(f'figures in {args.out}')
    return int(bool(failed))


def run_models(args: argparse.Namespace) -> int:
    """``mmderain models``."""
    from mmderain.hub import bundled_models, config_names

    print('with weights, ready to use:')
    for entry in bundled_models().values():
        default = ' (the default)' if entry.name == DEFAULT_DERAINER else ''
        print(f'  {entry.name:16} {entry.kind:10} {entry.about}{default}')
    print("\nwithout weights (train them, or convert their authors'; then --weights FILE):")
    shipped = {Path(entry.config).stem for entry in bundled_models().values()}
    names = [name for name in config_names() if name not in shipped]
    for network in dict.fromkeys(name.split('_')[0] for name in names):
        print(f'  {network}: ' + ', '.join(name for name in names if name.split('_')[0] == network))
    return 0


def run_web(args: argparse.Namespace) -> int:
    """``mmderain web``: until Ctrl+C."""
    from mmderain.apis import default_device, trained_derainer
    from mmderain.web import bundled_loaders, serving

    device = args.device or default_device()
    derainers, tasks = bundled_loaders(device)
    if args.weights and not args.model:
        raise InputError(f'--weights {args.weights}: the checkpoint of which model? Name it by --model')
    if args.model:
        own = trained_derainer(args.model, args.weights, device)  # now: what is wrong with it is said here
        name = Path(args.model).stem
        derainers.pop(name, None)
        derainers = {name: lambda: own, **derainers}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that uploads are deleted then too
    with (
        contextlib.suppress(KeyboardInterrupt),
        serving(derainers, tasks, args.host, args.port, args.max_upload) as url,
    ):
        print(f'{url}  (Ctrl+C ends it)', flush=True)
        threading.Event().wait()
    return 0


def run_tool(path: Path, argv: Sequence[str]) -> int:
    """A script of the tools, as if it had been started itself."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    tool = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = tool
    sys.path.append(str(path.parent))  # a tool may import its neighbours, as when it is run
    spec.loader.exec_module(tool)
    return tool.main(list(argv))


def main(argv: Sequence[str] | None = None) -> int:
    """The console entry; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in TOOL_COMMANDS:
        sys.argv[0] = f'mmderain {argv[0]}'  # what argparse shows
        return run_tool(TOOLS / TOOL_COMMANDS[argv[0]][0], argv[1:])
    args, unknown = build_parser().parse_known_args(argv)
    if unknown:
        args.parser.error(f'unrecognized arguments: {" ".join(unknown)}')  # of the command, whose usage is shown
    try:
        return args.run(args)
    except (OSError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
