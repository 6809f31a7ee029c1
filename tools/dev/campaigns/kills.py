"""Kill trainings and inference at random moments, continue them, and compare the results with uninterrupted runs."""

import os
import random
import socket
import tempfile
import time
from pathlib import Path

import cv2
import torch

from mmderain.cli import main as mmderain
from mmderain.engine.resume import latest_checkpoint
from mmderain.io import read_checkpoint, write_frames
from mmderain.io.video import read_frames

from .common import fork, kill, load_script, photograph, training_arguments, wait_for, write_photographs


def start_training(arguments: list[str], log: Path, processes: int) -> list[int]:
    """Start a training in one or several processes, and return the IDs of the processes."""
    program = load_script('tools/train.py').main
    if processes == 1:
        return [fork(program, arguments, log)]
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    shared = dict(WORLD_SIZE=str(processes), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    arguments = [*arguments, '--launcher', 'pytorch']
    return [fork(program, arguments, log, RANK=str(rank), LOCAL_RANK=str(rank), **shared) for rank in range(processes)]


def train_to_end(arguments: list[str], log: Path, processes: int) -> None:
    """Train until the last step without a kill.

    Raises:
        RuntimeError: a process fails, or does not end within 600 seconds. The message contains the end of the log.
    """
    for child in start_training(arguments, log, processes):
        if wait_for(child, 600) != 0:
            raise RuntimeError(f'the training without a kill failed; the end of its log:\n{log.read_text()[-3000:]}')


def training(number: float, processes: int = 1, steps: int = 300) -> dict:
    """Kill and resume trainings, and compare their final weights with those of an uninterrupted training.

    A training writes a checkpoint after every step, so that many kills happen while a checkpoint is written. When a
    training has reached its last step, the next training starts.

    Args:
        number: number of kills in all trainings together.
        processes: number of processes of each training. A kill ends all of them.
        steps: number of steps of each training.

    Returns:
        The numbers for docs/en/reliability.md, such as the number of damaged checkpoints.
    """
    rng = random.Random(0)
    kills, runs, damaged, identical, continued_at = 0, 0, 0, 0, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photographs(folder / 'data', 8)
        train_to_end(training_arguments(folder / 'data', folder / 'whole', steps), folder / 'whole.txt', processes)
        expected = read_checkpoint(folder / 'whole' / f'iter_{steps}.pth')
        while kills < number:
            runs += 1
            run = folder / f'run{runs}'
            arguments = [*training_arguments(folder / 'data', run, steps), '--resume']
            while kills < number and not (run / f'iter_{steps}.pth').is_file():
                children = start_training(arguments, folder / 'log.txt', processes)
                time.sleep(rng.uniform(1.5, 6))
                kills += was_killed(children, folder / 'log.txt')
                before = sorted(path.name for path in run.glob('iter_*.pth'))
                damaged += sum(not readable(run / name) for name in before)
                found = latest_checkpoint(run)
                continued_at.append(0 if found is None else int(found.stem.removeprefix('iter_')))
            train_to_end(arguments, folder / 'log.txt', processes)
            identical += equal(read_checkpoint(run / f'iter_{steps}.pth'), expected)
    progress = sum(later > earlier for earlier, later in zip(continued_at, continued_at[1:]))
    return dict(
        kills=kills, processes=processes, runs=runs, damaged_checkpoints=damaged, kills_after_progress=progress,
        identical_runs=identical,
    )  # fmt: skip


def was_killed(children: list[int], log: Path) -> bool:
    """Kill the processes of a program, and return whether at least one of them was still running.

    Raises:
        RuntimeError: the first process had already ended with an error. The message contains the end of the log.
    """
    statuses = [kill(child) for child in children]
    if statuses[0]:
        raise RuntimeError(f'the program failed before it was killed; the end of its log:\n{log.read_text()[-3000:]}')
    return None in statuses


def readable(path: Path) -> bool:
    """Return whether a checkpoint can be read."""
    try:
        read_checkpoint(path)
    except ValueError:
        return False
    return True


def equal(found: dict, expected: dict) -> bool:
    """Return whether the weights and the averaged weights of two checkpoints have the same bits."""
    return all(
        torch.equal(found[key][name], value)
        for key in ('state_dict', 'ema_state_dict')
        for name, value in expected[key].items()
    )


def inference(number: float) -> dict:
    """Kill `mmderain derain`, run it again, and compare its results with those of an uninterrupted call.

    The input is a folder with images and a video.

    Args:
        number: number of kills.

    Returns:
        The numbers for docs/en/reliability.md, such as the number of incomplete results.
    """
    rng = random.Random(0)
    kills, calls, partial, identical = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photographs(folder / 'in', 30, (192, 256))
        write_frames((photograph(96, 128, seed) for seed in range(60)), folder / 'in/zz.mp4', 10)
        arguments = ['derain', str(folder / 'in'), '--precision', 'fp32', '--existing', 'skip', '--out']
        if wait_for(fork(mmderain, [*arguments, str(folder / 'whole')], folder / 'log.txt'), 600) != 0:
            raise RuntimeError(f'the call failed; the end of its log:\n{(folder / "log.txt").read_text()[-3000:]}')
        expected = {path.name: pixels(path) for path in (folder / 'whole').iterdir()}
        while kills < number:
            calls += 1
            out = folder / f'out{calls}'
            while kills < number and len(finished(out)) < len(expected):
                child = fork(mmderain, [*arguments, str(out)], folder / 'log.txt')
                time.sleep(rng.uniform(0.3, 3))
                kills += was_killed([child], folder / 'log.txt')
                partial += sum(pixels(path) != expected[path.name] for path in finished(out))
            if wait_for(fork(mmderain, [*arguments, str(out)], folder / 'log.txt'), 600) != 0:
                raise RuntimeError(f'the call failed; the end of its log:\n{(folder / "log.txt").read_text()[-3000:]}')
            identical += {path.name: pixels(path) for path in finished(out)} == expected
    return dict(kills=kills, calls=calls, half_written_files=partial, identical_calls=identical)


def finished(out: Path) -> list[Path]:
    """Return the finished files of an output folder. The names of temporary files start with a dot."""
    return [path for path in out.iterdir() if not path.name.startswith('.')] if out.is_dir() else []


def pixels(path: Path) -> bytes:
    """Return the name and the pixels of an image, or the pixels of all frames of a video.

    Two video files with the same frames can have different bytes, because a file contains the time of writing.
    """
    if path.suffix == '.mp4':
        return b''.join(frame.tobytes() for frame in read_frames(path)[0])
    return os.fspath(path.name).encode() + cv2.imread(str(path)).tobytes()
