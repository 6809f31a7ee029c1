"""Give damaged files to the readers of their format, and count how many files are read and how many are refused."""

import collections
import contextlib
import io
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from mmderain.apis import DerainInferencer
from mmderain.cli import main as mmderain
from mmderain.datasets import PairedImageDataset
from mmderain.datasets.preparation.checking import flaw_of
from mmderain.datasets.preparation.finding import FoundPair
from mmderain.datasets.transforms import LoadPairedImages
from mmderain.errors import InputError
from mmderain.io import read_checkpoint, write_frames, write_image
from mmderain.io.config import read_config
from mmderain.web.uploads import read_upload

from .common import fork, photograph, wait_for

IMAGES = ('.png', '.jpg', '.bmp', '.tiff', '.webp', '.gif', '.ppm', '.jp2')
VIDEOS = ('.mp4', '.avi', '.mkv')
#: Time limit in seconds for a group of files.
TIME_LIMIT = 300
#: Number of files that one forked process reads. If the process ends with a nonzero exit status or by a signal, this
#: counts as a crash.
GROUP = 20


def originals(folder: Path) -> list[Path]:
    """Write undamaged files of all formats, and return their paths."""
    img = photograph(48, 64, 0)
    for suffix in IMAGES:
        if suffix == '.gif':
            from PIL import Image

            Image.fromarray(img[..., ::-1]).save(folder / 'a.gif')
        else:
            cv2.imwrite(str(folder / f'a{suffix}'), img)
    cv2.imwrite(str(folder / 'deep.png'), img.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / 'deep.tiff'), img.astype(np.uint16) * 257)
    write_frames([photograph(48, 64, seed) for seed in range(6)], folder / 'a.mp4', 8)
    for suffix, code in (('.avi', 'MJPG'), ('.mkv', 'mp4v')):
        writer = cv2.VideoWriter(str(folder / f'a{suffix}'), cv2.VideoWriter.fourcc(*code), 8, (64, 48))
        for seed in range(6):
            writer.write(photograph(48, 64, seed))
        writer.release()
    weights = {'network.layer.weight': torch.arange(60.0).reshape(3, 20)}
    torch.save(dict(state_dict=weights, meta=dict(iter=3)), folder / 'a.pth')
    save_file(weights, folder / 'a.safetensors')
    (folder / 'a.yml').write_text('model:\n  type: Derainer\n  network: {type: SIAN, channels: 4}\nlist: [1, 2.5, x]\n')
    (folder / 'a.json').write_text(json.dumps(dict(model=dict(type='Derainer', network=dict(type='SIAN')))))
    (folder / 'list.txt').write_text('000.png\n001.png\n')
    return sorted(folder.iterdir())


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Return bytes with random damage: the end is cut off, or bytes are changed, inserted, removed or repeated."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place = rng.randrange(len(data)) if data else 0
        kind = rng.choice(('cut', 'bit', 'bytes', 'insert', 'remove', 'repeat', 'large'))
        if kind == 'cut':
            del data[place:]
        elif kind == 'bit' and data:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 'bytes':
            data[place : place + 4] = rng.randbytes(4)
        elif kind == 'insert':
            data[place:place] = rng.randbytes(rng.choice((1, 7, 300)))
        elif kind == 'remove':
            del data[place : place + rng.choice((1, 3, 100))]
        elif kind == 'repeat':
            data[place:place] = data[place : place + 50] * rng.choice((1, 20))
        else:
            data[place : place + 4] = b'\xff\xff\xff\x7f'
    return bytes(data)


def readers(
    path: Path, folder: Path, derainer: DerainInferencer, with_command: bool
) -> dict[str, Callable[[], object]]:
    """Return the readers of a file, keyed by name.

    A reader returns if it can read the file. It raises an InputError or OSError if it refuses the file. Any other
    exception counts as an error.

    Args:
        path: the file.
        folder: folder for the files that the readers need or write.
        derainer: derainer for images and videos.
        with_command: include `mmderain derain` for images and videos.
    """
    suffix = path.suffix
    out = folder / 'out'
    if suffix in (*IMAGES, *VIDEOS):
        write_image(photograph(24, 32, 1), folder / 'good.png')

        def api() -> None:
            result = derainer([path, folder / 'good.png'], out_dir=out, existing='replace')
            if result.results[1].status != 'ok':
                raise RuntimeError(
                    'the image good.png, given in the same call as the damaged file, could not be derained'
                )
            if result.results[0].error is not None:
                if path.name not in result.results[0].reason:
                    raise RuntimeError(f'the error message does not name the file: {result.results[0].reason}')
                raise result.results[0].error

        found: dict[str, Callable[[], object]] = {'api': api}
        if with_command:
            found['command'] = lambda: command(path, out)
        if suffix in IMAGES:
            found |= {'web page': lambda: read_upload(path, folder), 'transform': lambda: load_pair(path)}
            found['data set preparation'] = lambda: check_pair(path)
        return found
    if suffix in ('.pth', '.safetensors'):
        return {'read_checkpoint': lambda: read_checkpoint(path)}
    if suffix == '.txt':
        return {'data set': lambda: load_list(path, folder)}
    return {'read_config': lambda: read_config(path)}


def command(path: Path, out: Path) -> None:
    """Run `mmderain derain` in this process.

    Raises:
        InputError: the command refuses the file with an error message.
        RuntimeError: the command prints a traceback, fails without an error message, or succeeds with an error message.
    """
    errors = io.StringIO()
    arguments = ['derain', str(path), '--out', str(out), '--existing', 'replace', '--precision', 'fp32']
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        status = mmderain(arguments)
    if 'Traceback' in errors.getvalue() or (status != 0) != ('error: ' in errors.getvalue()):
        raise RuntimeError(f'{path}: expected success or an error message, found:\n{errors.getvalue()}')
    if status:
        raise InputError(errors.getvalue())


def load_pair(path: Path) -> None:
    """Load a file as both images of a pair."""
    LoadPairedImages().transform(dict(img_path=str(path), gt_path=str(path)))


def check_pair(path: Path) -> None:
    """Check a file as both images of a pair of a published release."""
    if flaw := flaw_of(FoundPair({}, path, path)):
        raise InputError(flaw)


def load_list(path: Path, folder: Path) -> None:
    """Use a file as the list of images of a data set."""
    for number in range(2):
        for name in ('rain', 'norain'):
            write_image(photograph(24, 32, number), folder / f'data/{name}/{number:03}.png')
    (folder / 'data/list.txt').write_bytes(path.read_bytes())
    PairedImageDataset(data_root=str(folder / 'data'), ann_file='list.txt')


def try_files(numbers: range, files: list[Path], report: Path) -> int:
    """Damage files, give them to their readers, and append one line of JSON for each reader to the report.

    Args:
        numbers: numbers of the damaged files. Each number is the seed of the damage.
        files: undamaged files. The damaged files are copies of them.
        report: file to append to.

    Returns:
        0, the exit status of the forked process.
    """
    derainer = DerainInferencer()
    derainer.model.precision = 'fp32'
    for number in numbers:
        rng = random.Random(number)
        original = files[number % len(files)]
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / f'mutant{original.suffix}'
            path.write_bytes(mutate(original.read_bytes(), rng))
            for reader, read in readers(path, Path(name), derainer, number // len(files) % 4 == 0).items():
                start = time.monotonic()
                try:
                    read()
                    outcome = 'read'
                except (InputError, OSError):
                    outcome = 'refused'
                except Exception as error:
                    outcome = f'{type(error).__name__} of {original.suffix} number {number}: {str(error)[-300:]}'
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6
                line = dict(reader=reader, suffix=original.suffix, outcome=outcome, seconds=time.monotonic() - start)
                with open(report, 'a') as file:
                    file.write(json.dumps(line | dict(number=number, peak_mb=peak)) + '\n')
    return 0


def campaign(number: float) -> dict:
    """Read damaged files in groups. A forked process reads each group.

    Args:
        number: number of damaged files.

    Returns:
        The numbers of read and refused files for each format and reader, the crashes, and the other errors.
    """
    crashes, hangs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'originals').mkdir()
        files, report = originals(folder / 'originals'), folder / 'report.jsonl'
        for first in range(0, int(number), GROUP):
            numbers = range(first, min(first + GROUP, int(number)))
            child = fork(lambda _, numbers=numbers: try_files(numbers, files, report), [], folder / 'log.txt')
            status = wait_for(child, TIME_LIMIT)
            if status is None:
                hangs.append(str(numbers))
            elif status:
                crashes.append(f'{numbers}: exit status {status}: {(folder / "log.txt").read_text()[-1500:]}')
        lines = [json.loads(line) for line in report.read_text().splitlines()]
    table: dict[str, dict[str, int]] = collections.defaultdict(lambda: dict(read=0, refused=0, other=0))
    for line in lines:
        kind = line['outcome'] if line['outcome'] in ('read', 'refused') else 'other'
        table[f'{line["suffix"]}, {line["reader"]}'][kind] += 1
    return dict(
        files=int(number), readings=len(lines), crashes=crashes, hangs=hangs, table=dict(sorted(table.items())),
        other_errors=sorted({line['outcome'] for line in lines} - {'read', 'refused'})[:50],
        slowest_seconds=round(max(line['seconds'] for line in lines), 2),
        peak_mb=max(line['peak_mb'] for line in lines),
    )  # fmt: skip
