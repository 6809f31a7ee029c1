"""Code that the campaigns share: a tiny training, forked processes, and measurements of a process."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import torch

from mmderain.io import write_image
from mmderain.rain import draw_rain

ROOT = Path(__file__).resolve().parents[3]


def prepare_process() -> None:
    """Prepare this process for campaigns. Call this function before the process starts a thread."""
    # In each training, mmengine formats the config with yapf up to six times. In a short training, this takes most of
    # the time. The folder tests/stubs contains a replacement for yapf that does nothing.
    sys.path.insert(0, str(ROOT / 'tests/stubs'))
    # A forked process hangs if its parent has already started threads of torch or OpenCV.
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def photograph(height: int, width: int, seed: int) -> np.ndarray:
    """Return a smooth random image under light rain, (H, W, 3) BGR uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [110 + 80 * np.sin(x * a + y * b + c) for a, b, c in rng.uniform(0.02, 0.2, (3, 3))]
    return draw_rain(np.stack(waves, axis=2).astype(np.uint8), 'light', seed).rainy


def write_photographs(folder: Path, number: int, size: tuple[int, int] = (64, 96)) -> None:
    """Write random images ``000.png``, ``001.png`` and so on."""
    for seed in range(number):
        write_image(photograph(*size, seed), folder / f'{seed:03}.png')


def training_arguments(data: Path, work_dir: Path, steps: int, interval: int = 1) -> list[str]:
    """Write the config of a tiny SIAN with averaged weights, and return the arguments of tools/train.py to train it.

    Args:
        data: folder of photographs.
        work_dir: work directory of the training. The config is written to the file ``<work_dir>.py`` next to it.
        steps: number of steps.
        interval: number of steps between two checkpoints.
    """
    settings = {
        'model.network.channels': 4,
        'model.network.num_stages': 1,
        'train_dataloader.batch_size': 2,
        'train_dataloader.num_workers': 1,
        'train_dataloader.dataset.data_root': data,
        'train_dataloader.dataset.pipeline.1.crop_size': 32,
        'train_cfg.max_iters': steps,
        'train_cfg.val_interval': 10 * steps,
        'param_scheduler.0.T_max': steps,
        'default_hooks.checkpoint.interval': interval,
        'default_hooks.checkpoint.max_keep_ckpts': 2,
        'default_hooks.logger.interval': 50,
    }
    options = [f'{key}={value}' for key, value in settings.items()]
    config = work_dir.parent / f'{work_dir.name}.py'
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        f"_base_ = '{ROOT}/configs/derain/sian_sample.py'\n"
        "custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.01)]\n"
        'val_cfg = None\nval_dataloader = None\nval_evaluator = None\n'
    )
    return [str(config), '--work-dir', str(work_dir), '--cfg-options', *options]


def load_script(path: str) -> ModuleType:
    """Import a script of the checkout as a module."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    if spec is None or spec.loader is None:
        raise ImportError(f'{path}: expected a Python script in the checkout')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fork(program: Callable[[Sequence[str]], int], arguments: Sequence[str], log: Path, **environment: str) -> int:
    """Start a program in a forked process, which already has the imports of this process. Return the process ID.

    Args:
        program: function that takes the arguments and returns the exit status.
        arguments: command line arguments of the program.
        log: file to which the output of the program is appended.
        environment: environment variables to set in the forked process.
    """
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        os.environ.update(environment)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        status = program(arguments)
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        status = 99
    os._exit(status)


def kill(process: int) -> int | None:
    """Kill a forked process if it is still running.

    Returns:
        None if the process was killed. If it had already ended, its exit status.
    """
    done, status = os.waitpid(process, os.WNOHANG)
    if done:
        return os.waitstatus_to_exitcode(status)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def wait_for(process: int, seconds: float) -> int | None:
    """Wait until a forked process ends. Kill it if it does not end within a number of seconds.

    Returns:
        The exit status, or None if the process was killed.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def resident_mb(process: int | str = 'self') -> float:
    """Return the resident memory of a process in MB (10**6 bytes)."""
    text = Path(f'/proc/{process}/status').read_text()
    return int(text.split('VmRSS:')[1].split()[0]) * 1024 / 1e6  # the file gives KiB


def open_files(process: int | str = 'self') -> int:
    """Return the number of open file descriptors of a process."""
    return len(os.listdir(f'/proc/{process}/fd'))
