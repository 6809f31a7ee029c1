"""Serve a web page that derains an uploaded image.

    mmderain web
    mmderain web --model configs/derain/sian_sample.py --weights work_dirs/sample_demo/iter_900.pth
    mmderain web --task rtmdet_s_8xb32-300e_coco

The page also shows the predictions of a detector or segmentor for the rainy and for the derained image. It offers all
bundled models. With --model and --task, it also offers the models of these options. Ctrl+C ends the server and deletes
the uploaded files.
"""

import argparse
import contextlib
import signal
import sys
import threading
from functools import partial
from pathlib import Path

from mmderain.apis import default_device, trained_derainer
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.errors import InputError
from mmderain.hub import find_task_model
from mmderain.perception.task import load_task_model
from mmderain.web import TIME_LIMIT, bundled_loaders, is_loopback, read_users, serving

from .libraries import quiet_libraries
from .options import add_device_option, add_model_options, positive_int


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain web``."""
    parser = commands.add_parser('web', doc=__doc__, help='serve a web page that derains an uploaded image')
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address on which the server listens (default: %(default)s, which only this machine can reach)',
    )
    parser.add_argument(
        '--port', type=int, default=7860, help='port on which the server listens (default: %(default)s)'
    )
    parser.add_argument(
        '--max-upload',
        type=int,
        default=20,
        metavar='MIB',
        help='largest accepted size of an uploaded file in MiB (default: %(default)s)',
    )
    parser.add_argument(
        '--auth-file',
        type=Path,
        metavar='FILE',
        help='text file with a line user:password for each user who can log in. No other user of this machine may have '
        'permission to read the file; chmod 600 FILE sets this permission (default: no login)',
    )
    parser.add_argument(
        '--time-limit',
        type=positive_int,
        default=int(TIME_LIMIT),
        metavar='SECONDS',
        help='longest time for one request in seconds; a request that takes longer is stopped (default: %(default)s)',
    )
    add_model_options(parser, default=None)
    parser.add_argument(
        '--task',
        action='append',
        default=[],
        metavar='MODEL',
        help='name of a further detector or segmentor for the page, see `mmderain models`. The option can be repeated '
        '(default: only the bundled ones)',
    )
    add_device_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Serve the page until Ctrl+C or SIGTERM."""
    device = args.device or default_device()
    users = None if args.auth_file is None else read_users(args.auth_file)
    derainers, tasks = bundled_loaders(device)
    if args.weights and not args.model:
        raise InputError(f'--weights {args.weights}: name the model of this checkpoint with --model')
    if args.model:
        model = trained_derainer(args.model, args.weights, device)  # reports an error before the page is served
        name = Path(args.model).stem
        derainers.pop(name, None)
        derainers = {name: lambda: model, **derainers}
    for name in args.task:
        find_task_model(name)  # downloads the weights, and reports an error before the page is served
        tasks[name] = partial(load_task_model, name, device=device)
    if users is None and not is_loopback(args.host):
        warning = f'warning: everybody who can connect to {args.host} can use the page; --auth-file requires a login'
        print(warning, file=sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the server like Ctrl+C, and deletes the uploads
    with (
        contextlib.suppress(KeyboardInterrupt),
        keep_cpu_memory(),
        quiet_libraries('mmdet', 'mmseg'),
        serving(derainers, tasks, args.host, args.port, args.max_upload, users, args.time_limit) as url,
    ):
        print(f'{url}  (Ctrl+C ends the server)', flush=True)
        threading.Event().wait()
