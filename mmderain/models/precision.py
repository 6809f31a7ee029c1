"""Choice between float32 and bfloat16: what the hardware has, and what a measurement says."""

import copy
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mmderain.structures import DerainDataSample

from .spec import NetworkSpec
from .tiling import pad_image

if TYPE_CHECKING:
    from .derainer import Derainer

#: Names of bfloat16 instructions, as Linux and torch spell them: AMX and AVX-512 on x86, the last one on ARM.
BF16_FLAGS = {'amx_bf16', 'avx512_bf16', 'bf16'}
#: Reason given for a CPU without them.
NO_CPU_BF16 = 'this processor has neither AMX nor AVX-512-BF16'
#: bfloat16 is less exact than float32. It is chosen if it is more than this many times as fast.
MIN_SPEEDUP = 1.05
#: Rounds of a measurement. The first one warms up; it is the slowest, so the best time leaves it out.
ROUNDS = 4
#: Time limits in seconds, after which no new round starts. One round can take longer.
INFERENCE_LIMIT, TRAINING_LIMIT = 5.0, 30.0
#: Side in pixels of the measured images. Smaller images would hide the gain, because fixed costs dominate.
INFERENCE_SIDE, GPU_INFERENCE_SIDE, TRAINING_SIDE = 160, 384, 128


def cpu_flags(cpuinfo: str | None = None) -> set[str]:
    """Return the names of the processor's instruction sets, an empty set if they are unknown.

    Args:
        cpuinfo: text of ``/proc/cpuinfo``. None reads that file; on systems without it, torch names them.
    """
    path = Path('/proc/cpuinfo')
    if cpuinfo is None and not path.is_file():
        if not hasattr(torch.cpu, 'get_capabilities'):  # torch 2.7
            return set()
        return {name for name, value in torch.cpu.get_capabilities().items() if value is True}
    for line in (path.read_text() if cpuinfo is None else cpuinfo).splitlines():
        name, _, flags = line.partition(':')
        if name.strip() in ('flags', 'Features'):  # on x86, on ARM
            return set(flags.split())
    return set()


def has_bf16(device: torch.device | str, cpuinfo: str | None = None) -> bool:
    """Return whether a device computes bfloat16 in hardware.

    Args:
        device: CPU or GPU. The answer for any other type of device is False.
        cpuinfo: as in :func:`cpu_flags`.
    """
    device = torch.device(device)
    if device.type == 'cuda':
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == 'cpu' and not BF16_FLAGS.isdisjoint(cpu_flags(cpuinfo))


def inference_speedup(network: nn.Module, device: torch.device) -> float:
    """Measure how many times as fast a network derains a small image in bfloat16 as in float32.

    A copy is measured, uncompiled, so that the network stays as it is.

    Args:
        network: network of a :class:`~mmderain.models.Derainer`, in float32.
        device: device of its parameters.
    """
    network = copy.deepcopy(network).eval()

    def step(image: Tensor) -> None:
        with torch.inference_mode():
            network.forward(image)  # network(image) would call the user's hooks

    side = GPU_INFERENCE_SIDE if device.type == 'cuda' else INFERENCE_SIDE
    return _speedup(step, network, (1, 3, side, side), device, INFERENCE_LIMIT)


def training_speedup(model: 'Derainer', device: torch.device) -> float:
    """Measure how many times as fast the losses of two small images and their gradients are in bfloat16 as in float32.

    A copy is measured, uncompiled, so that the model stays as it is.

    Args:
        model: :class:`~mmderain.models.Derainer` with losses, in float32.
        device: device of its parameters.
    """
    model = copy.deepcopy(model).train()

    def step(images: Tensor) -> Tensor:
        samples = [DerainDataSample(gt_img=image) for image in images.flip(0)]
        return model.parse_losses(model.loss(images, samples))[0]

    return _speedup(step, model.network, (2, 3, TRAINING_SIDE, TRAINING_SIDE), device, TRAINING_LIMIT)


def _speedup(
    step: Callable[[Tensor], Tensor | None],
    network: nn.Module,
    shape: tuple[int, ...],
    device: torch.device,
    limit: float,
) -> float:
    """Measure a step on random images. If the step returns a loss, its backward pass is measured too."""
    times: dict[bool, list[float]] = {False: [], True: []}  # in bfloat16 or not -> seconds
    with torch.random.fork_rng([device] if device.type == 'cuda' else []):
        images = torch.rand(shape, device=device, dtype=next((p.dtype for p in network.parameters()), None))
        if isinstance(network.spec, NetworkSpec):  # every network of a Derainer has one
            images = pad_image(images, network.spec)
        images = images.contiguous(memory_format=torch.channels_last)
        begin = time.perf_counter()
        while len(times[True]) < ROUNDS and time.perf_counter() - begin < limit:
            for in_bf16, seconds in times.items():
                start = time.perf_counter()
                with torch.autocast(device.type, torch.bfloat16, enabled=in_bf16):
                    loss = step(images)
                if loss is not None:
                    loss.backward()
                if device.type == 'cuda':
                    torch.cuda.synchronize(device)
                seconds.append(time.perf_counter() - start)
    return min(times[False]) / min(times[True])


def choose_precision(device: torch.device, measure: Callable[[], float]) -> tuple[str, float | None]:
    """Choose bfloat16 where the device has it in hardware and a measurement finds it faster.

    Args:
        device: device to compute on.
        measure: returns how many times as fast bfloat16 is; called only if the device has it in hardware.

    Returns:
        ``'bf16'`` or ``'fp32'``, and what was measured, None if nothing was.
    """
    if not has_bf16(device):
        return 'fp32', None
    speedup = measure()
    return ('bf16' if speedup > MIN_SPEEDUP else 'fp32'), speedup


def warn_of_slow_bf16(device: torch.device, measure: Callable[[], float], setting: str, advice: str) -> None:
    """Warn if a device computes bfloat16 without hardware for it, and not faster than float32.

    Args:
        device: device to compute on.
        measure: returns how many times as fast bfloat16 is; called only if the device lacks the hardware.
        setting: the setting that selects bfloat16.
        advice: what to set in its place.
    """
    if has_bf16(device) or (speedup := measure()) > MIN_SPEEDUP:
        return
    lack = 'this GPU has no bfloat16' if device.type == 'cuda' else NO_CPU_BF16
    ratio = f'took {1 / speedup:.1f} times as long as float32'
    warnings.warn(f'{setting}: {lack}; bfloat16 {ratio} in a measurement of a small image; use {advice}', stacklevel=2)
