"""Run inference or training for a long time, and record memory, open files and temporary files."""

import os
import tempfile
import time
from pathlib import Path

from .common import fork, kill, load_script, open_files, resident_mb, training_arguments, write_photographs

#: Seconds between two records.
INTERVAL = 60


def record(process: int | str, temporary: Path) -> dict:
    """Return the resident memory of a process in MB, its number of open files, and its number of temporary files."""
    return dict(
        resident_mb=round(resident_mb(process), 1),
        open_files=open_files(process),
        temporary_files=sum(1 for _ in temporary.rglob('*')),
    )


def inference(minutes: float) -> dict:
    """Derain a folder again and again. The folder contains images of twelve sizes and one damaged image.

    Args:
        minutes: duration in minutes.

    Returns:
        The duration, the number of derained images, and the records of memory and files.
    """
    from mmderain.apis import DerainInferencer

    with tempfile.TemporaryDirectory() as name:
        folder, temporary = Path(name) / 'in', Path(name) / 'tmp'
        temporary.mkdir()
        tempfile.tempdir = str(temporary)
        for number in range(12):
            write_photographs(folder / str(number), 1, (96 + 16 * (number % 4), 128 + 16 * (number % 3)))
        (folder / 'damaged.png').write_bytes(b'no image')
        inferencer = DerainInferencer()
        records, images, end = [], 0, time.monotonic() + 60 * minutes
        following = time.monotonic() + INTERVAL
        while time.monotonic() < end:
            result = inferencer(folder, out_dir=Path(name) / 'out', existing='replace', batch_size=2)
            if [entry.status for entry in result.results].count('failed') != 1:
                raise RuntimeError(f'expected an error for the damaged image only, found {result.failures}')
            images += len(result.results) - 1
            if time.monotonic() > following:
                records.append(record('self', temporary))
                following += INTERVAL
        tempfile.tempdir = None
    return dict(minutes=minutes, images=images, records=records)


def training(minutes: float) -> dict:
    """Train a tiny network with a loader process and averaged weights, and save a checkpoint every 20 steps.

    Args:
        minutes: duration in minutes.

    Returns:
        The duration, the number of training steps, and the records of memory and files.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'tmp').mkdir()
        write_photographs(folder / 'data', 8)
        arguments = training_arguments(folder / 'data', folder / 'run', 10**6, interval=20)
        program = load_script('tools/train.py').main
        child = fork(program, arguments, folder / 'log.txt', TMPDIR=str(folder / 'tmp'))
        records, end = [], time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            time.sleep(min(INTERVAL, 60 * minutes / 3))
            if os.waitpid(child, os.WNOHANG)[0]:
                raise RuntimeError(
                    f'the training ended too early; the end of its log:\n{(folder / "log.txt").read_text()[-2000:]}'
                )
            records.append(record(child, folder / 'tmp'))
        kill(child)
        steps = max(int(path.stem.removeprefix('iter_')) for path in (folder / 'run').glob('iter_*.pth'))
    return dict(minutes=minutes, steps=steps, records=records)
