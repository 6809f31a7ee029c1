"""Measure run times and memory of the networks. Each function returns the rows of one part of the report."""

import sys
import time
from collections.abc import Iterator
from functools import partial

import torch

from mmderain.engine.benchmark import Benchmark, Variant
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.engine.profiling import convolution_peak, multiply_adds, random_images, tensor_memory, time_calls
from mmderain.engine.tree_comparison import SCRIPT, checked_out, jobs_of, time_in_tree
from mmderain.models.tiling import available_memory

from .common import BASELINE, NETWORKS, PAIRS, ROOT, SIZE, build, compare, pass_of, ratio_row

PRECISIONS = ('fp32', 'bf16')
#: Image sizes and batch sizes of the part `growth`. The measurement of a network ends before a size that would take
#: longer than LIMIT seconds or more than half of the free memory.
SIZES = [(96, 128), (192, 256), (384, 512), (768, 1024), (1536, 2048), (2448, 3264)]
BATCHES, LIMIT = (1, 4, 16), 100.0


def limits() -> Iterator[dict]:
    """Measure the limits of the machine: multiply-adds of a convolution, and bytes of a copy, in each second."""
    for precision in PRECISIONS:
        yield dict(limit=f'convolution, {precision}', value=convolution_peak(precision, 'cpu'))
    source = torch.rand(2**26)
    target = torch.empty_like(source)
    (times,) = time_calls([lambda: target.copy_(source)], 10, 'cpu')
    yield dict(limit='copy', value=2 * source.nbytes / (min(times) / 1000))


def baseline(name: str, train: bool = False) -> Iterator[dict]:
    """Compare the working tree with :data:`BASELINE` in pairs of processes."""
    size, batch, config = (SIZE, 1, NETWORKS[name]) if not train else ((64, 64), 2, NETWORKS[name])
    if train and name == 'sian':
        size, batch, config = (96, 96), 8, 'configs/derain/sian_compact.py'
    precisions = ('bf16',) if train and name == 'sian' else ('fp32',) if train else PRECISIONS
    settings = Benchmark(sizes=[size], batches=[batch], precision=list(precisions), train=train, repeats=2)
    with checked_out(ROOT, BASELINE) as other:
        trees = {'the working tree': ROOT, BASELINE: other}
        for job in jobs_of(str(ROOT / config), settings, trees):
            times: dict[str, list[float]] = {tree: [] for tree in trees}
            for number in range(PAIRS):
                for tree in list(trees) if number % 2 == 0 else list(trees)[::-1]:
                    times[tree].append(1000 * time_in_tree(ROOT / SCRIPT, trees[tree], tree, job))
            names = dict(network=name, precision=job['precision'], size=f'{size[0]}x{size[1]}', batch=batch)
            yield ratio_row(*times.values(), **names)


def precision() -> Iterator[dict]:
    """Compare bf16 with fp32."""
    for name in NETWORKS:
        network = build(name).network
        yield compare(pass_of(network, 'bf16'), pass_of(network, 'fp32'), network=name)


def prenet() -> Iterator[dict]:
    """Compare each network with PReNet, both in fp32, in channels_last and with kept memory."""
    sys.path.append(str(ROOT / 'tests'))
    from reference.prenet import PReNet

    peer = PReNet().eval().to(memory_format=torch.channels_last)
    for name in NETWORKS:
        yield compare(pass_of(build(name).network, 'fp32'), pass_of(peer, 'fp32'), network=name)


def prepared(name: str) -> Iterator[dict]:
    """Compare the prepared derainer with the plain derainer."""
    for precision in PRECISIONS:
        torch.compiler.reset()
        plain = build(name)
        plain.precision = precision
        fast = plain.prepare(SIZE)
        (preparation,) = fast.fast_path.preparations.values()
        calls = [partial(model.restore, torch.rand(1, 3, *SIZE)) for model in (fast, plain)]
        with torch.inference_mode(), keep_cpu_memory():
            names = dict(network=name, precision=precision, cost=preparation.cost, problem=preparation.problem)
            yield compare(*calls, **names)


def memory() -> Iterator[dict]:
    """Measure the peak memory of a forward pass in fp32: of all tensors, and of the process."""
    size = (320, 480)
    for name, config in NETWORKS.items():
        network, settings = build(name).network, Benchmark()
        pixels, images = size[0] * size[1], random_images(network, size)
        with torch.inference_mode():
            tensors = tensor_memory(network, images)
        resident = settings.resident(str(ROOT / config), size, 1, Variant('fp32', 'eager', 'kept'))
        yield dict(network=name, tensors=tensors / 1024 / pixels, resident=resident / 1024 / pixels)


def growth(name: str) -> Iterator[dict]:
    """Measure the time and the memory of the tensors against the image size, the batch size and the tile size."""
    model, last = build(name), (0.0, 1)
    for size in SIZES:
        pixels, free = size[0] * size[1], available_memory(torch.device('cpu')) or 2**33
        if 3 * last[0] / last[1] * pixels > LIMIT or model.spec.bytes_per_pixel * pixels > free / 2:
            break
        row = _pass_row(model.network, size, 1)
        last = row['seconds'], pixels
        yield dict(row, network=name, of='size')
    for batch in BATCHES:
        yield dict(_pass_row(model.network, SIZES[0], batch), network=name, of='batch')
    images = torch.rand(1, 3, 512, 512)
    with torch.inference_mode(), keep_cpu_memory():
        for tile in (128, 256):
            calls = [partial(model.restore, images, tile=side) for side in (tile, 0)]
            tiles, whole = time_calls(calls, 2, 'cpu')  # long passes: no interval
            yield dict(network=name, of='tile', tile=tile, ratio=min(tiles) / min(whole))


def _pass_row(network: torch.nn.Module, size: tuple[int, int], batch: int) -> dict:
    images, call = random_images(network, size, batch), pass_of(network, 'fp32', size, batch)
    times = []
    for _ in range(2):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    with torch.inference_mode():
        tensors = tensor_memory(network, images)
    return dict(size=list(size), batch=batch, seconds=min(times), bytes=tensors)


def arithmetic() -> Iterator[dict]:
    """Count the multiply-adds for each pixel, to tell how near a network is to the limit of the machine."""
    for name in NETWORKS:
        network = build(name).network
        yield dict(network=name, multiply_adds=multiply_adds(network, (64, 96)) / (64 * 96))
