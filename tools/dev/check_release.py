"""Check a release: build the source archive and the wheel, and try the wheel together with mmdet.

    python tools/dev/check_release.py --out dist

The tool installs the wheel into a new virtual environment, uses its commands and its transform, and uninstalls it. The
environment contains all packages of the Python that runs this tool, such as mmdet and mmseg, but not mmderain. Nothing
is downloaded.

The check passes if every step succeeds, if no file is left after uninstalling, and if mmdet can then still be imported.
The tool copies the two archives to --out only if the check passes. `make release` runs this check. CONTRIBUTING.md
lists the steps of a release.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

from mmderain.cli.command import CommandParser, command
from mmderain.errors import InputError
from mmderain.version import __version__

ROOT = Path(__file__).resolve().parents[2]
#: A detection config, as a user would write it: a config of mmdet with the derain transform of mmderain.
DETECTION_CONFIG = """
_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, dict(type='mmderain.Derain', derainer='nafnet'))
"""
#: A program that builds the first two transforms of this config, which load and derain an image, and applies them.
USE_TRANSFORM = """
import sys, mmderain.perception
from mmengine.config import Config
from mmengine.registry import TRANSFORMS, init_default_scope
init_default_scope('mmdet')
from mmdet.utils import register_all_modules
register_all_modules()
pipeline = Config.fromfile('detection.py').test_pipeline[:2]
item = dict(img_path=sys.argv[1])
for transform in pipeline:
    item = TRANSFORMS.build(transform)(item)
print(item['img'].shape, mmderain.__file__)
"""


def build_archives(out: Path) -> Path:
    """Build the source archive and the wheel, and return the path of the wheel.

    Args:
        out: an empty folder.
    """
    run(sys.executable, '-m', 'build', '--no-isolation', '--outdir', out, ROOT)
    (wheel,) = out.glob('*.whl')
    (archive,) = out.glob('*.tar.gz')
    for path in (wheel, archive):
        if __version__ not in path.name:
            raise InputError(f'{path.name}: expected the version {__version__} of mmderain/version.py in its name')
    return wheel


def make_environment(folder: Path) -> Path:
    """Create a virtual environment with the packages of this Python except mmderain, and return its interpreter.

    The folder ``<folder>_packages`` contains a link to each of these packages. A .pth file in the new environment names
    this folder. Therefore the new environment can import the packages.
    """
    venv.create(folder, with_pip=True)
    links = folder.with_name(f'{folder.name}_packages')
    links.mkdir()
    for package in Path(sysconfig.get_path('purelib')).iterdir():
        if not package.name.startswith(('mmderain', '__editable__.mmderain')):
            (links / package.name).symlink_to(package)
    (packages,) = folder.glob('lib/python*/site-packages')
    (packages / 'packages_of_the_checkout.pth').write_text(f'{links}\n', encoding='utf-8')
    return folder / 'bin/python'


def use_and_remove(wheel: Path, folder: Path) -> None:
    """Install a wheel into an environment with mmdet, use its commands and its transform, and remove it.

    Args:
        wheel: the wheel.
        folder: an empty folder for the environment and the results.

    Raises:
        InputError: a step failed, or files are left after the removal.
    """
    python = make_environment(folder / 'environment')
    if importable(python, 'mmderain', folder) or not importable(python, 'mmdet', folder):
        raise InputError(f'{python}: expected an environment with mmdet and without mmderain')
    before = installed_files(python)
    run(python, '-m', 'pip', 'install', '--no-deps', '--no-index', '--ignore-installed', wheel, cwd=folder)
    image = ROOT / 'demo/sample/test/china.jpg'
    run(python.with_name('mmderain'), 'models', cwd=folder)
    run(python.with_name('mmderain'), 'derain', image, '--out', folder / 'derained', cwd=folder)
    if not (folder / 'derained' / image.name).is_file():
        raise InputError(f'mmderain derain wrote no {folder / "derained" / image.name}')
    (folder / 'detection.py').write_text(DETECTION_CONFIG, encoding='utf-8')
    printed = run(python, '-c', USE_TRANSFORM, image, cwd=folder)
    if str(folder) not in printed.splitlines()[-1]:
        raise InputError(f'the transform was not imported from the wheel: {printed}')
    run(python, '-m', 'pip', 'uninstall', '--yes', 'mmderain', cwd=folder)
    left = sorted(installed_files(python) - before)
    if left:
        raise InputError(f'{len(left)} files are left after `pip uninstall`, such as {left[0]}')
    if importable(python, 'mmderain', folder) or not importable(python, 'mmdet', folder):
        raise InputError('after `pip uninstall`, mmderain can still be imported, or mmdet can no longer be imported')


def installed_files(python: Path) -> set[str]:
    """Return the paths of the files of an environment, without the byte code of imported modules."""
    root = python.parents[1]
    return {str(path.relative_to(root)) for path in root.rglob('*') if path.is_file() and path.suffix != '.pyc'}


def importable(python: Path, module: str, cwd: Path) -> bool:
    """Return whether an environment can import a module."""
    code = f'import {module}'
    return subprocess.run([python, '-c', code], cwd=cwd, env=environment(), capture_output=True).returncode == 0


def environment() -> dict[str, str]:
    """Return the environment variables without PYTHONPATH, which would make the checkout importable."""
    return {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}


def run(*arguments: str | Path, cwd: Path | None = None) -> str:
    """Run a command and return what it printed.

    Raises:
        InputError: the command failed. The message contains the end of its output.
    """
    done = subprocess.run([str(part) for part in arguments], cwd=cwd, env=environment(), capture_output=True, text=True)
    if done.returncode:
        last = '\n'.join((done.stdout + done.stderr).splitlines()[-15:])
        raise InputError(f'{" ".join(map(str, arguments))[:200]} failed with status {done.returncode}:\n{last}')
    return done.stdout


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'dist', metavar='DIR', help='folder for the archives (default: dist)'
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Build the archives, check the wheel, and then copy both archives to the folder --out."""
    with tempfile.TemporaryDirectory(prefix='mmderain_release_') as name:
        folder = Path(name)
        (folder / 'archives').mkdir()
        wheel = build_archives(folder / 'archives')
        print(f'{wheel.name} and the source archive: built')
        use_and_remove(wheel, folder)
        print(f'{wheel.name}: installed, used and removed; no file is left')
        args.out.mkdir(parents=True, exist_ok=True)
        for path in (folder / 'archives').iterdir():
            print(shutil.copy(path, args.out))


if __name__ == '__main__':
    sys.exit(main())
