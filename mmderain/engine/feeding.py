"""Measure whether training steps must wait for their data, for ``tools/benchmark_feeding.py``."""

import json
import time
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmderain.io import atomic_write
from mmderain.registry import MODELS

from .machine import processor_name
from .profiling import time_calls

COLUMNS = ('workers', 'images a second', 'ms a batch', 'ms a step', 'a step waits, ms')


def measure_feeding(cfg: Config, workers: list[int], batches: int, steps: int, device: str) -> tuple[dict, list[dict]]:
    """Measure how long the data loader of a training takes for a batch, and how long a training step takes.

    Args:
        cfg: config of a training, from :func:`~mmderain.engine.config.prepare_config`.
        workers: numbers of loader processes to measure.
        batches: number of timed batches for each number of loader processes.
        steps: number of timed training steps. The shortest time is used.
        device: device of the training steps.

    Returns:
        A dict that describes the config, the batch and the machine, and a list of dicts with the keys :data:`COLUMNS`.
        The list contains one dict for each number of loader processes.
    """
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmderain'):
        timed = {number: seconds_a_batch(cfg.train_dataloader, number, batches) for number in workers}
        batch = timed[workers[0]][1]
        step = seconds_a_step(cfg, batch, steps, device)
    size = len(batch['inputs'])
    settings = dict(config=cfg.filename, batch_size=size, machine=processor_name(), device=device)
    settings.update(threads=torch.get_num_threads(), torch=torch.__version__)
    return settings, [row(number, seconds, step, size) for number, (seconds, _) in timed.items()]


def seconds_a_batch(loader: dict, workers: int, batches: int) -> tuple[float, dict]:
    """Return the mean time in seconds to load a batch, and the last loaded batch.

    Args:
        loader: config of the data loader.
        workers: number of loader processes.
        batches: number of timed batches.
    """
    loader = {**loader, 'num_workers': workers, 'persistent_workers': False}
    iterator = iter(Runner.build_dataloader(loader, seed=0))
    # The first call of next() starts the loader processes, and each of them prefetches two batches. The first batch and
    # the prefetched batches are not timed.
    for _ in range(1 + 2 * workers):
        batch = next(iterator)
    start = time.perf_counter()
    for _ in range(batches):
        batch = next(iterator)
    return (time.perf_counter() - start) / batches, batch


def seconds_a_step(cfg: Config, batch: dict, steps: int, device: str) -> float:
    """Return the shortest time of a training step in seconds, including the transfer of the batch to the device."""
    model = MODELS.build(cfg.model).to(device).train()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    (milliseconds,) = time_calls([lambda: model.train_step(batch, wrapper)], steps, device)
    return min(milliseconds) / 1000


def row(workers: int, batch_s: float, step_s: float, batch_size: int) -> dict:
    """Return a row of the table.

    Loader processes load the next batches during a step. A step then waits only if loading a batch takes longer than
    the step, and only for the difference. Without loader processes, a step waits for the whole loading time.
    """
    waits = batch_s if workers == 0 else max(0.0, batch_s - step_s)
    values = (workers, batch_size / batch_s, 1000 * batch_s, 1000 * step_s, 1000 * waits)
    return dict(zip(COLUMNS, values, strict=True))


def markdown(settings: dict, rows: list[dict]) -> str:
    """Return a line about the config and the machine, and a Markdown table of the rows."""
    lines = [COLUMNS, ['---'] * len(COLUMNS)]
    lines += [[str(r['workers']), *(f'{r[name]:.1f}' for name in COLUMNS[1:])] for r in rows]
    text = '{config}, batch {batch_size}, {machine}, {device}, {threads} threads, torch {torch}\n\n'.format(**settings)
    return text + '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def write_report(settings: dict, rows: list[dict], folder: Path) -> None:
    """Write feeding.json, feeding.md, and the plot feeding.png.

    The plot shows the images per second over the number of loader processes.
    """
    from matplotlib.figure import Figure

    texts = {'json': json.dumps(dict(settings=settings, rows=rows), indent=1), 'md': markdown(settings, rows)}
    for suffix, text in texts.items():
        with atomic_write(folder / f'feeding.{suffix}') as part:
            part.write_text(text, encoding='utf-8')
    # pyplot is not used, because its back end is a setting of the whole process.
    figure = Figure(figsize=(5.5, 3.6))
    axis = figure.subplots()
    workers = [r['workers'] for r in rows]
    axis.plot(workers, [r['images a second'] for r in rows], 'o-', label='loading gives')
    axis.axhline(1000 * settings['batch_size'] / rows[0]['ms a step'], color='C1', label='training takes')
    axis.set(xlabel='loader processes', ylabel='images a second', ylim=(0, None), xticks=workers)
    axis.legend()
    figure.tight_layout()
    with atomic_write(folder / 'feeding.png') as part:
        figure.savefig(part, dpi=110)
