"""Whether a training step has to wait for its data.

    python tools/analysis_tools/benchmark_feeding.py configs/derain/sian_bsds.py --workers 0 1 2

For each number of loader processes: pictures a second that loading, cropping, rain and packing give, with nothing else
running; beside it the training step of the config's model on the same batch. Loader processes work while the step runs,
so a step waits for what a batch takes longer than it; on a CPU both share the cores, and what the step leaves of them
is less. feeding.json, feeding.md and feeding.png go to --out.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from measuring import machine
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmderain.engine.config import prepare_config, require_data
from mmderain.errors import InputError
from mmderain.registry import MODELS, OPTIM_WRAPPERS

COLUMNS = ('workers', 'pictures a second', 'ms a batch', 'ms a step', 'a step waits, ms')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='of a derainer; its training data are used')
    parser.add_argument('--workers', nargs='+', type=int, default=[0, 1, 2], metavar='N', help='default: 0 1 2')
    parser.add_argument('--batches', type=int, default=20, help='timed ones of each (default: 20)')
    parser.add_argument('--steps', type=int, default=5, help='timed training steps (default: 5)')
    parser.add_argument('--device', default='cpu', help='of the steps (default: cpu)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'), help='default: %(default)s')
    return parser.parse_args(argv)


def seconds_a_batch(loader: dict, workers: int, batches: int) -> tuple[float, dict]:
    """Mean over ``batches`` after one, with which the processes start; and the last batch."""
    loader = {**loader, 'num_workers': workers, 'persistent_workers': False}
    iterator = iter(Runner.build_dataloader(loader, seed=0))
    # What the processes had ready at the start is not counted: each prefetches two.
    batch = [next(iterator) for _ in range(1 + 2 * workers)][-1]
    start = time.perf_counter()
    for _ in range(batches):
        batch = next(iterator)
    return (time.perf_counter() - start) / batches, batch


def seconds_a_step(cfg: dict, batch: dict, steps: int, device: str) -> float:
    """The least of ``steps`` after one to warm up, data on their way to the device included."""
    model = MODELS.build(cfg.model).to(device).train()
    wrapper = {k: v for k, v in cfg.optim_wrapper.items() if k != 'optimizer'}
    optimizer = dict(cfg.optim_wrapper.optimizer)
    optimizer = getattr(torch.optim, optimizer.pop('type'))(model.parameters(), **optimizer)
    wrapper = OPTIM_WRAPPERS.build({**wrapper, 'optimizer': optimizer})
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        model.train_step(batch, wrapper)
        if device != 'cpu':
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def row(workers: int, batch_s: float, step_s: float, batch_size: int) -> dict:
    """A line of the table; without processes a step waits for the whole batch."""
    waits = batch_s if workers == 0 else max(0.0, batch_s - step_s)
    values = (workers, batch_size / batch_s, 1000 * batch_s, 1000 * step_s, 1000 * waits)
    return dict(zip(COLUMNS, values, strict=True))


def markdown(rows: list[dict], settings: dict) -> str:
    lines = [COLUMNS, ['---'] * len(COLUMNS)]
    lines += [[str(r['workers']), *(f'{r[name]:.1f}' for name in COLUMNS[1:])] for r in rows]
    text = '{config}, batch {batch_size}, {machine}, {device}, {threads} threads, torch {torch}\n\n'.format(**settings)
    return text + '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def plot(rows: list[dict], path: Path) -> None:
    """Pictures a second against loader processes, beside what the steps take."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(5.5, 3.6))
    workers = [r['workers'] for r in rows]
    batch_size = rows[0]['pictures a second'] * rows[0]['ms a batch'] / 1000
    axis.plot(workers, [r['pictures a second'] for r in rows], 'o-', label='loading gives')
    axis.axhline(1000 * batch_size / rows[0]['ms a step'], color='C1', label='training takes')
    axis.set(xlabel='loader processes', ylabel='pictures a second', ylim=(0, None), xticks=workers)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        cfg = prepare_config(args.config)
        if 'train_dataloader' not in cfg:
            raise InputError(f'{args.config}: has no train_dataloader; a config that trains is expected')
        require_data(cfg, 'train_dataloader')
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmderain'):
            timed = {n: seconds_a_batch(cfg.train_dataloader, n, args.batches) for n in args.workers}
            batch = timed[args.workers[0]][1]
            step = seconds_a_step(cfg, batch, args.steps, args.device)
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    size = len(batch['inputs'])
    rows = [row(workers, seconds, step, size) for workers, (seconds, _) in timed.items()]
    settings = dict(config=args.config, batch_size=size, machine=machine(), device=args.device)
    settings.update(threads=torch.get_num_threads(), torch=torch.__version__)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / 'feeding.json').write_text(json.dumps(dict(settings=settings, rows=rows), indent=1), encoding='utf-8')
    (args.out / 'feeding.md').write_text(markdown(rows, settings), encoding='utf-8')
    plot(rows, args.out / 'feeding.png')
    print(f'{markdown(rows, settings)}\n{args.out}: feeding.json, feeding.md, feeding.png')
    return 0


if __name__ == '__main__':
    sys.exit(main())
