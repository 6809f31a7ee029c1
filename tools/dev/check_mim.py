"""Try mmderain with mim, the command of openmim, in a new environment.

    python tools/dev/check_mim.py work_dirs/mim

openmim requires old versions of packages, such as setuptools 60. Therefore it must not be installed into the
environment of the checkout. The tool makes a virtual environment in the folder. It contains the packages of this
Python, a wheel of this checkout, and openmim, which pip downloads.

The tool then runs `mim search`, `mim train` and `mim test` in one and in two processes, on small copies of the images
in demo/sample. It runs `mim download` twice: with weights that are already in the folder, and with weights from a local
server. docs/en/training.md describes the commands.
"""

import argparse
import os
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
from check_release import ROOT, build_archives, make_environment, run
from mmengine.config import Config

from mmderain.cli.command import CommandParser, command
from mmderain.errors import InputError
from mmderain.hub.index import find_config
from mmderain.io import read_image, write_image

#: Options of a training of two steps.
SHORT = [
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'train_dataloader.batch_size=2',
    *(f'{name}_dataloader.num_workers=0' for name in ('train', 'val', 'test')),
    *(f'{name}_dataloader.persistent_workers=False' for name in ('train', 'val', 'test')),
]
#: Name of the file of the authors for the config sian_rain100h.
WEIGHTS = 'rain100h.pth'


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without printing the requests."""

    def log_message(self, *args: object) -> None:
        """Print nothing."""


def small_images(folder: Path) -> None:
    """Write small copies of the images in demo/sample to the same paths in a folder."""
    for path in (ROOT / 'demo/sample').glob('*/*.jpg'):
        write_image(cv2.resize(read_image(path), (96, 80)), folder / path.relative_to(ROOT))


def try_training(mim: Path, folder: Path) -> None:
    """Train and test a config, in one process and in two."""
    for name, options in (('one_process', []), ('two_processes', ['--launcher', 'pytorch', '--gpus', '2'])):
        work_dir = folder / name
        train = ['train', 'mmderain', 'sian_sample.py', '--work-dir', work_dir, *options, '--cfg-options', *SHORT]
        run(mim, *train, cwd=folder)
        checkpoint = work_dir / 'iter_2.pth'
        scores = folder / f'scores_{name}'
        test = ['test', 'mmderain', 'sian_sample.py', '--checkpoint', checkpoint, *options, '--out', scores]
        run(mim, *test, '--work-dir', folder / f'test_{name}', cwd=folder)
        if not (scores / 'metrics.json').is_file():
            raise InputError(f'mim test wrote no {scores / "metrics.json"}')
        print(f'mim train and mim test, {name.replace("_", " ")}: passed')


def try_download(mim: Path, folder: Path, installed: Path) -> None:
    """Download the config sian_rain100h with a file of weights.

    Args:
        mim: the command.
        folder: folder for the results.
        installed: the installed package mmderain. The address in its metafile is replaced by that of a local server.
    """
    present, served = folder / 'present', folder / 'served'
    for path in (present, served):
        path.mkdir()
        (path / WEIGHTS).write_bytes(os.urandom(1000))
    run(mim, 'download', 'mmderain', '--config', 'sian_rain100h', '--dest', present, cwd=folder)
    metafile = installed / '.mim/configs/derain/metafile_sian.yml'
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(QuietHandler, directory=str(served))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lines = metafile.read_text(encoding='utf-8').splitlines(keepends=True)
        address = f'    Weights: http://127.0.0.1:{server.server_port}/{WEIGHTS}\n'
        lines = [address if line.strip().endswith(f'/{WEIGHTS}') else line for line in lines]
        metafile.write_text(''.join(lines), encoding='utf-8')
        run(mim, 'download', 'mmderain', '--config', 'sian_rain100h', '--dest', folder / 'loaded', cwd=folder)
        server.shutdown()
    if (folder / 'loaded' / WEIGHTS).read_bytes() != (served / WEIGHTS).read_bytes():
        raise InputError(f'{folder / "loaded" / WEIGHTS}: differs from the file of the server')
    for path in (present / 'sian_rain100h.py', folder / 'loaded/sian_rain100h.py'):
        if Config.fromfile(path).to_dict() != find_config('sian_rain100h').to_dict():
            raise InputError(f'{path}: differs from the config of mmderain')
    print('mim download, with a present file and from a server: passed')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('folder', type=Path, metavar='DIR', help='a new folder for the environment and the results')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Make the environment, and try the commands."""
    folder = args.folder.resolve()
    if folder.exists():
        raise InputError(f'{folder}: already exists; name a new folder')
    (folder / 'archives').mkdir(parents=True)
    python = make_environment(folder / 'environment')
    wheel = build_archives(folder / 'archives')
    run(python, '-m', 'pip', 'install', 'openmim')
    run(python, '-m', 'pip', 'install', '--no-deps', '--no-index', '--ignore-installed', wheel)
    mim = python.with_name('mim')
    (installed,) = (folder / 'environment').glob('lib/python*/site-packages/mmderain')
    found = run(mim, 'search', 'mmderain', '--config', 'sian_rain100h', cwd=folder)
    if 'configs/derain/sian_rain100h.py' not in found:
        raise InputError(f'mim search: expected configs/derain/sian_rain100h.py in the output, found:\n{found}')
    print('mim search: passed')
    small_images(folder)
    try_training(mim, folder)
    try_download(mim, folder, installed)


if __name__ == '__main__':
    sys.exit(main())
