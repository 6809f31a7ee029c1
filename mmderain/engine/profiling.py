"""Measure networks: the time of forward passes and training steps, the memory, and the multiply-adds.

``tools/benchmark.py``, ``tools/get_complexity.py`` and the comparisons in ``tools/dev`` use these functions.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from mmderain.models import Derainer, NetworkSpec
from mmderain.models.derainer import PRECISIONS
from mmderain.structures import DerainDataSample

from .cpu_memory import keep_cpu_memory

#: Function that runs a forward pass or a training step on a batch of images (N, 3, H, W). A forward pass returns the
#: derained images. A training step returns None.
Call = Callable[[Tensor], Tensor | None]

# --- what is measured ----------------------------------------------------------------------------


def parse_size(text: str) -> tuple[int, int]:
    """Convert a text such as ``'320x480'`` to (height, width). Use it as ``type`` of an argument in argparse."""
    height, _, width = text.partition('x')
    if not (height.isdecimal() and width.isdecimal() and int(height) > 0 and int(width) > 0):
        raise argparse.ArgumentTypeError(f'expected HEIGHTxWIDTH such as 320x480, found {text!r}')
    return int(height), int(width)


def padded_size(network: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) to which ``Derainer.restore`` pads an image for a network."""
    spec: NetworkSpec = network.spec  # type: ignore[assignment]  # every network of a Derainer has one
    return spec.padded_side(size[0]), spec.padded_side(size[1])


def random_images(network: nn.Module, size: tuple[int, int], batch: int = 1, device: str = 'cpu') -> Tensor:
    """Return random images whose size is padded by :func:`padded_size`. Each call returns the same images.

    Returns:
        (batch, 3, H, W) in [0, 1], in the memory format channels_last.
    """
    generator = torch.Generator(device).manual_seed(0)
    images = torch.rand(batch, 3, *padded_size(network, size), device=device, generator=generator)
    return images.contiguous(memory_format=torch.channels_last)


def forward_pass(
    network: nn.Module, precision: str, device: str, keep_memory: bool = True
) -> Callable[[Tensor], Tensor]:
    """Return a function that runs a network as ``Derainer.restore`` does.

    Args:
        network: maps (N, 3, H, W) to a list of results.
        precision: a key of :data:`~mmderain.models.derainer.PRECISIONS`. All precisions except ``'fp32'`` use autocast.
        device: device of the network.
        keep_memory: on a CPU, run the network inside :func:`keep_cpu_memory`, as the programs of the project do.

    Returns:
        A function that takes images, and returns the last result of the network in float32.
    """

    def call(images: Tensor) -> Tensor:
        with torch.inference_mode(), autocast(precision, device), cpu_memory(device, keep_memory):
            return network(images)[-1].float()

    return call


def training_step(model: Derainer, precision: str, device: str, keep_memory: bool = True) -> Call:
    """Return a function that runs a training step with the losses of a model and the optimizer of ``model.cfg``.

    The ground truth is the batch itself, mirrored left to right and in reverse order.

    Args:
        model: derainer with losses, and with a config that has an ``optim_wrapper``.
        precision: see :func:`forward_pass`.
        device: device of the model.
        keep_memory: see :func:`forward_pass`.
    """
    settings = dict(model.cfg.optim_wrapper.optimizer)
    optimizer = getattr(torch.optim, settings.pop('type'))(model.parameters(), **settings)

    def call(images: Tensor) -> None:
        model.train()
        samples = [DerainDataSample() for _ in images]
        for sample, truth in zip(samples, images.flip(0, 3), strict=True):
            sample.gt_img = truth
        optimizer.zero_grad()
        with cpu_memory(device, keep_memory):
            with autocast(precision, device):
                losses = model.loss(images, samples)
            torch.stack(list(losses.values())).sum().backward()
            del losses
        optimizer.step()

    return call


def autocast(precision: str, device: str) -> AbstractContextManager:
    """Return the autocast context for a precision; for ``'fp32'``, a context that does nothing."""
    if precision == 'fp32':
        return nullcontext()
    return torch.autocast(torch.device(device).type, PRECISIONS[precision])


def cpu_memory(device: str, keep: bool) -> AbstractContextManager:
    """Return :func:`keep_cpu_memory` if ``keep`` is True and the device is a CPU, else a context that does nothing."""
    return keep_cpu_memory() if keep and device == 'cpu' else nullcontext()


# --- time and arithmetic -------------------------------------------------------------------------


def time_calls(calls: Sequence[Callable[[], object]], repeats: int, device: str) -> list[list[float]]:
    """Measure the run times of several functions, which are called alternately.

    The calls alternate, so that a change in the speed of the machine affects all functions. Before the timed calls,
    each function is called once on a CPU and three times on a GPU. The second call on a GPU records the CUDA graphs.

    Args:
        calls: the functions.
        repeats: number of timed calls of each function.
        device: device on which the functions compute.

    Returns:
        For each function, a list of its run times in milliseconds.
    """
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(-1 if device == 'cpu' else -3, repeats):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if device != 'cpu':
                torch.cuda.synchronize(device)
            if turn >= 0:
                own.append(1000 * (time.perf_counter() - start))
    return times


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the median of a sample, and a confidence interval for the median of the distribution of the sample.

    The interval reaches from the k-th smallest to the k-th largest of the n values. The median of the distribution is
    outside this interval with the probability 2 P(B < k). B has a binomial distribution with n trials and the
    probability 1/2. k is the largest number for which 2 P(B < k) is at most ``1 - confidence``. For 20 values and a
    confidence of 0.95, k is 6.

    Args:
        values: the sample. A confidence of 0.95 needs at least 6 values.
        confidence: probability that the interval contains the median of the distribution.

    Returns:
        The median of the sample, and the lower and the upper bound of the interval.

    Raises:
        ValueError: there are too few values.
    """
    values, n = sorted(values), len(values)
    k, outside = 0, 2 * 0.5**n  # `outside`: probability that the median is outside the interval for k + 1
    while k < n // 2 and outside <= 1 - confidence:
        k += 1
        outside += 2 * math.comb(n, k) * 0.5**n
    if k == 0:
        raise ValueError(f'{n} values are too few for an interval of the median with a confidence of {confidence}')
    return median(values), values[k - 1], values[n - k]


def convolution_peak(precision: str, device: str) -> float:
    """Return the multiply-adds per second of a 3x3 convolution from 64 to 64 channels, in the fastest of 20 passes."""
    dtype = PRECISIONS[precision]
    conv = nn.Conv2d(64, 64, 3, padding=1).to(device, dtype)
    conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last)
    x = torch.rand(1, 64, 256, 256, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        (times,) = time_calls([lambda: conv(x)], 20, device)
    return 64 * 64 * 9 * 256 * 256 / (min(times) / 1000)


def multiply_adds(network: nn.Module, size: tuple[int, int]) -> int:
    """Return the multiply-adds of the convolutions and matrix products in a forward pass of one image.

    Args:
        network: takes an image (1, 3, H, W). Its result is not used.
        size: height and width of the image in pixels.
    """
    # This import also imports Triton. It is not at the top of the file, because tools/dev/benchmark_attention.py must
    # set an environment variable before Triton is imported.
    from torch.utils.flop_counter import FlopCounterMode

    device = next(network.parameters()).device
    # On a CPU, torch does not count the operations of its fused attention. With SDPBackend.MATH, the attention consists
    # of plain matrix products, which are counted.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.rand(1, 3, *size, device=device))
    return counter.get_total_flops() // 2


# --- memory --------------------------------------------------------------------------------------


def peak_memory(call: Call, images: Tensor, device: str) -> int:
    """Return the peak memory during a call in bytes, minus the memory in use before the call.

    On a GPU, this is the allocated memory. On a CPU, it is the resident memory of this process, which is known only on
    Linux. Measure each value in a new process, because memory that a process has freed may stay resident.
    """
    if device != 'cpu':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call(images)
        return torch.cuda.max_memory_allocated(device) - before
    Path('/proc/self/clear_refs').write_text('5')  # resets VmHWM, the peak so far
    before = resident_memory('VmRSS')
    call(images)
    return resident_memory('VmHWM') - before


def resident_memory(field: str) -> int:
    """Return the present (``'VmRSS'``) or peak (``'VmHWM'``) resident memory of this process in bytes. Linux only."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def tensor_memory(call: Call, images: Tensor) -> int:
    """Return the peak memory of the tensors of a call on the CPU in bytes, as torch's profiler counts it.

    The resident memory is larger, because there are gaps between blocks of different sizes.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call(images)
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == '[memory]']
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
