"""What the benchmarks time and how: passes and steps, memory, the machine."""

import argparse
import platform
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.models import Derainer
from mmderain.models.derainer import PRECISIONS
from mmderain.structures import DerainDataSample

Call = Callable[[torch.Tensor], object]


def size(text: str) -> tuple[int, int]:
    """``'320x480'`` -> (320, 480)."""
    height, _, width = text.partition('x')
    if not (height.isdecimal() and width.isdecimal() and int(height) > 0 and int(width) > 0):
        raise argparse.ArgumentTypeError(f'expected HEIGHTxWIDTH such as 320x480, found {text!r}')
    return int(height), int(width)


def lower(precision: str, device: str) -> object:
    """The context that a derainer of that precision computes in."""
    if precision == 'fp32':
        return nullcontext()
    return torch.autocast(torch.device(device).type, PRECISIONS[precision])


def forward_pass(network: nn.Module, precision: str, device: str, plainly: bool = False) -> Call:
    """As ``Derainer.restore`` runs a network, or plainly as anybody would."""
    memory = nullcontext if plainly or device != 'cpu' else keep_cpu_memory

    def call(picture: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), lower(precision, device), memory():
            return network(picture)[-1].float()

    return call


def training_step(model: Derainer, precision: str, device: str, plainly: bool = False) -> Call:
    """As tools/train.py takes it, or plainly, with the loss and the optimizer of the config; the truth is random."""
    memory = nullcontext if plainly or device != 'cpu' else keep_cpu_memory
    settings = dict(model.cfg.optim_wrapper.optimizer)
    optimizer = getattr(torch.optim, settings.pop('type'))(model.parameters(), **settings)

    def call(picture: torch.Tensor) -> None:
        model.train()
        samples = [DerainDataSample() for _ in picture]
        for sample, truth in zip(samples, picture.flip(0, 3), strict=True):
            sample.gt_img = truth
        optimizer.zero_grad()
        with memory():
            with lower(precision, device):
                losses = model.loss(picture, samples)
            sum(losses.values()).backward()
            del losses
        optimizer.step()

    return call


def milliseconds(calls: list[Callable[[], object]], repeats: int, device: str) -> list[list[float]]:
    """Of each call, run by turns, after one pass to warm up, on a GPU three: CUDA graphs are recorded in the second."""
    times = [[] for _ in calls]
    for turn in range(-1 if device == 'cpu' else -3, repeats):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if device != 'cpu':
                torch.cuda.synchronize(device)
            if turn >= 0:
                own.append(1000 * (time.perf_counter() - start))
    return times


def convolution_peak(precision: str, device: str) -> float:
    """Multiply-adds a second of a 3x3 convolution, 64 to 64 channels, channels_last: the best of a few passes."""
    dtype = PRECISIONS[precision]
    conv = nn.Conv2d(64, 64, 3, padding=1).to(device, dtype, memory_format=torch.channels_last)
    x = torch.rand(1, 64, 256, 256, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        (times,) = milliseconds([lambda: conv(x)], 20, device)
    return 64 * 64 * 9 * 256 * 256 / (min(times) / 1000)


def peak_memory(call: Call, picture: torch.Tensor, device: str) -> int:
    """Bytes above what was there before a call: allocated on a GPU, resident on a CPU (of this process)."""
    if device != 'cpu':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call(picture)
        return torch.cuda.max_memory_allocated(device) - before
    Path('/proc/self/clear_refs').write_text('5')  # the peak so far is forgotten
    before = resident('VmRSS')
    call(picture)
    return resident('VmHWM') - before


def held_by_tensors(call: Call, picture: torch.Tensor) -> int:
    """Bytes that tensors hold at most during a call on the CPU, by torch's own account: what a pass needs, without the
    gaps that blocks of many sizes leave between them.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call(picture)
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == '[memory]']
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def resident(which: str) -> int:
    """Bytes that this process holds (``VmRSS``) or has held at most (``VmHWM``). Linux only."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(which))


def machine() -> str:
    """The processor's name, as Linux gives it."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [x.partition(':')[2].strip() for x in lines if x.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def device_name(device: str) -> str:
    """With what its convolutions do to float32, where that is not what the name says."""
    if device == 'cpu':
        return 'cpu'
    return torch.cuda.get_device_name(device) + (', fp32 as TF32' if torch.backends.cudnn.allow_tf32 else '')
