"""The loops that benchmark_inference.py compares, and the images that they derain."""

import argparse
import json
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from mmderain.apis import DerainInferencer, InputResult
from mmderain.apis.plan import Plan
from mmderain.apis.run_log import entry, finished_outputs
from mmderain.apis.shards import Shard
from mmderain.io import decode_image, read_image, write_image
from mmderain.io.files import link_or_copy

ROOT = Path(__file__).resolve().parents[2]


def make_images(folder: Path, count: int, size: tuple[int, int], suffix: str, distinct: int = 40) -> None:
    """Write test images: parts of the bundled photographs, enlarged if necessary. Most of them are links.

    Args:
        folder: a new folder.
        count: number of files.
        size: height and width in pixels.
        suffix: suffix of the files.
        distinct: number of different images.
    """
    height, width = size
    photographs = [read_image(path) for path in sorted((ROOT / 'demo/sample/test').glob('*.jpg'))]
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / f'{number // 1000:04}/{number:06}.{suffix}'
        if number >= distinct:
            link_or_copy(folder / f'0000/{number % distinct:06}.{suffix}', path)
            continue
        image = photographs[number % len(photographs)]
        scale = max(1, height / image.shape[0], width / image.shape[1])
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale > 1 else image
        top, left = (int(rng.integers(0, image.shape[axis] - size[axis] + 1)) for axis in (0, 1))
        write_image(np.ascontiguousarray(image[top : top + height, left : left + width]), path)


def run_network(inferencer: DerainInferencer, batch: torch.Tensor, count: int) -> None:
    """Run the network on the same batch until ``count`` images are derained."""
    with torch.inference_mode():
        for _ in range(max(1, count // len(batch))):
            inferencer.model.restore(batch)
    if batch.is_cuda:
        torch.cuda.synchronize()


def run_sequential(inferencer: DerainInferencer, folder: Path, out: Path, batch_size: int) -> None:
    """Read, derain and write one batch after the other in this thread."""
    paths = sorted(path for path in folder.rglob('*') if path.is_file())
    for start in range(0, len(paths), batch_size):
        part = paths[start : start + batch_size]
        images = [decode_image(path) for path in part]
        with torch.inference_mode():
            restored = inferencer.model.restore(torch.stack([image.to_tensor() for image in images]))
        for path, image, values in zip(part, images, restored, strict=True):
            write_image(image.with_color(values), out / path.relative_to(folder))


def run_pipeline(
    inferencer: DerainInferencer, folder: Path, out: Path, batch_size: int, workers: int, shard: Shard | None = None
) -> None:
    """Derain a folder with the pipeline."""
    plan = Plan([folder], out, 'replace', shard)
    for result in inferencer.run(plan, batch_size, workers=workers):
        if result.error is not None:
            raise result.error


def compare_levels(inferencer: DerainInferencer, folder: Path, batch_size: int) -> tuple[float, int]:
    """Derain a folder in batches with all threads, and again one by one with one thread.

    Returns:
        The share of the values that differ, and the largest difference in levels.
    """
    batches = inferencer([folder], batch_size=batch_size).predictions
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    singles = inferencer([folder]).predictions
    torch.set_num_threads(threads)
    differences = np.stack([cv2.absdiff(*pair) for pair in zip(batches, singles, strict=True)])
    return float(np.mean(differences > 0)), int(differences.max())


def measure_memory(args: argparse.Namespace) -> dict:
    """Derain ``args.memory`` images, and measure the resident memory of the process twenty times."""
    inferencer = DerainInferencer(args.models[0], device=args.device, precision=args.precision)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, 'in')
        make_images(folder, args.memory, args.sizes[0], args.formats[0])
        results = inferencer.stream([folder], args.batch_sizes[0], Path(temporary, 'out'), workers=args.workers[-1])
        for number, result in enumerate(results, 1):
            if result.error is not None:
                raise result.error
            if number % max(1, args.memory // 20) == 0:
                rows.append(dict(images=number, mb=resident_mb()))
                print(f'{number:8} images  {rows[-1]["mb"]:8.1f} MB', flush=True)
    growth = rows[-1]['mb'] - rows[len(rows) // 10]['mb']
    print(f'the resident memory grew by {growth:.1f} MB from {rows[len(rows) // 10]["images"]} to {args.memory} images')
    return dict(model=args.models[0], size='{}x{}'.format(*args.sizes[0]), rows=rows, growth_mb=growth)


def measure_differences(args: argparse.Namespace) -> dict:
    """Compare the results of batches and several threads with those of single images and one thread."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, 'in')
        make_images(folder, args.differences, args.sizes[0], args.formats[0], distinct=args.differences)
        for model in args.models:
            share, largest = compare_levels(
                DerainInferencer(model, device=args.device, precision=args.precision), folder, args.batch_sizes[0]
            )
            rows.append(dict(model=model, share=share, largest=largest))
            print(f'{model:10} {100 * share:.4f}% of the values differ, by at most {largest} level(s)', flush=True)
    return dict(size='{}x{}'.format(*args.sizes[0]), batch_size=args.batch_sizes[0], images=args.differences, rows=rows)


def measure_resume(count: int) -> dict:
    """Measure three times how long a run needs to find out that all of its ``count`` inputs are finished.

    Returns:
        The shortest times, because other programs can only make a round slower, and the times of all rounds.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder, out, log = Path(temporary, 'in'), Path(temporary, 'out'), Path(temporary, 'run.jsonl')
        names = [f'{number // 1000:04}/{number:07}.jpg' for number in range(count)]
        for number, name in enumerate(names):
            if number % 1000 == 0:
                (folder / name).parent.mkdir(parents=True)
            (folder / name).touch()
        with open(log, 'w', encoding='ascii') as file:
            for name in names:
                result = InputResult(str(folder / name), out / name, size=(480, 640), seconds=0.0123)
                file.write(json.dumps(entry(result)) + '\n')
        rounds = []
        for _ in range(3):
            start, cpu_start = time.perf_counter(), time.process_time()
            finished = finished_outputs(log)
            read, cpu_read = time.perf_counter() - start, time.process_time() - cpu_start
            plan = Plan([folder], out, 'skip', finished=finished)
            remaining = len(list(plan))
            total, cpu_total = time.perf_counter() - start, time.process_time() - cpu_start
            rounds.append(dict(read=read, read_cpu=cpu_read, total=total, total_cpu=cpu_total))
    best = {name: min(times[name] for times in rounds) for name in rounds[0]}
    print(f'reading the log: {best["read"]:.2f} s, {best["read_cpu"]:.2f} s CPU time')
    print(f'reading the log and listing the inputs: {best["total"]:.2f} s, {best["total_cpu"]:.2f} s CPU time')
    return dict(images=count, finished=plan.num_finished, remaining=remaining, seconds=best, rounds=rounds)


def resident_mb() -> float:
    """Return the resident memory of this process in MB."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith('VmRSS:'))) / 1000
