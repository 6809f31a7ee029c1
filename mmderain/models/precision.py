"""Choose between float32 and bfloat16, based on the hardware and on a speed measurement."""

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

#: Values of ``precision`` that name a number format.
PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
#: Names that Linux and torch use for bfloat16 instructions: AMX and AVX-512 on x86, and ``bf16`` on ARM.
BF16_FLAGS = {'amx_bf16', 'avx512_bf16', 'bf16'}
#: The reason that the warning gives for a CPU without these instructions.
NO_CPU_BF16 = 'this processor has neither AMX nor AVX-512-BF16'
#: bfloat16 is less exact than float32. It is therefore chosen only if its speedup over float32 exceeds this factor.
MIN_SPEEDUP = 1.05
#: Largest number of rounds of a measurement. Only the fastest round counts, so the slow first round has no effect.
ROUNDS = 4
#: Time limits of a measurement in seconds. No new round starts after the limit, but a running round is completed.
INFERENCE_LIMIT, TRAINING_LIMIT = 5.0, 30.0
#: Side in pixels of the images in a measurement. With smaller images, fixed costs would hide the gain of bfloat16.
INFERENCE_SIDE, GPU_INFERENCE_SIDE, TRAINING_SIDE = 160, 384, 128


def require_precision(caller: str, precision: str | None) -> None:
    """Raise a ValueError unless ``precision`` is None, ``'auto'`` or a key of :data:`PRECISIONS`."""
    if precision not in (None, 'auto', *PRECISIONS):
        names = ', '.join(PRECISIONS)
        raise ValueError(f"{caller}: precision must be None, 'auto' or one of {names}, found {precision!r}")


def cpu_flags(cpuinfo: str | None = None) -> set[str]:
    """Return the names of the processor's instruction sets, or an empty set if they are unknown.

    Args:
        cpuinfo: text of ``/proc/cpuinfo``. None reads this file. On a system without this file, the function asks
            torch for the instruction sets.
    """
    path = Path('/proc/cpuinfo')
    if cpuinfo is None and not path.is_file():
        if not hasattr(torch.cpu, 'get_capabilities'):  # torch 2.7 lacks this function
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
        device: device of the type ``'cpu'`` or ``'cuda'``. The function returns False for any other type.
        cpuinfo: as in :func:`cpu_flags`.
    """
    device = torch.device(device)
    if device.type == 'cuda':
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == 'cpu' and not BF16_FLAGS.isdisjoint(cpu_flags(cpuinfo))


def inference_speedup(network: nn.Module, device: torch.device) -> float:
    """Measure the speedup of bfloat16 over float32 when a network derains a small image.

    The measurement runs an uncompiled copy of the network, so the network itself does not change.

    Args:
        network: network of a :class:`~mmderain.models.Derainer`, in float32.
        device: device of the parameters of the network.

    Returns:
        Time in float32 divided by the time in bfloat16.
    """
    network = copy.deepcopy(network).eval()

    def step(image: Tensor) -> None:
        with torch.inference_mode():
            network.forward(image)  # network(image) would also call hooks that a user has registered

    side = GPU_INFERENCE_SIDE if device.type == 'cuda' else INFERENCE_SIDE
    return _speedup(step, network, (1, 3, side, side), device, INFERENCE_LIMIT)


def training_speedup(model: 'Derainer', device: torch.device) -> float:
    """Measure the speedup of bfloat16 over float32 for the losses and gradients of two small images.

    The measurement runs an uncompiled copy of the model, so the model itself does not change.

    Args:
        model: :class:`~mmderain.models.Derainer` with losses, in float32.
        device: device of the parameters of the model.

    Returns:
        Time in float32 divided by the time in bfloat16.
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
    """Return the time of a step in float32 divided by its time in bfloat16.

    The step is measured on random images. If the step returns a loss, the measurement includes the backward pass.
    """
    # Seconds of each round. The key is False for float32, and True for bfloat16.
    times: dict[bool, list[float]] = {False: [], True: []}
    with torch.random.fork_rng([device] if device.type == 'cuda' else []):
        images = torch.rand(shape, device=device, dtype=next((p.dtype for p in network.parameters()), None))
        if isinstance(network.spec, NetworkSpec):  # always true for a network of a Derainer; type checkers need it
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
    """Choose bfloat16 if the device computes it in hardware and its measured speedup exceeds :data:`MIN_SPEEDUP`.

    Args:
        device: device to compute on.
        measure: function that returns the speedup of bfloat16 over float32. It is called only if the device computes
            bfloat16 in hardware.

    Returns:
        ``'bf16'`` or ``'fp32'``, and the measured speedup. The speedup is None if ``measure`` was not called.
    """
    if not has_bf16(device):
        return 'fp32', None
    speedup = measure()
    return ('bf16' if speedup > MIN_SPEEDUP else 'fp32'), speedup


def warn_of_slow_bf16(device: torch.device, measure: Callable[[], float], setting: str, advice: str) -> None:
    """Warn if a device has no hardware for bfloat16 and bfloat16 is not faster than float32 on this device.

    Args:
        device: device to compute on.
        measure: function that returns the speedup of bfloat16 over float32. It is called only if the device has no
            hardware for bfloat16.
        setting: text for the warning that names the setting with which the user has selected bfloat16.
        advice: text for the warning that names the recommended setting.
    """
    if has_bf16(device) or (speedup := measure()) > MIN_SPEEDUP:
        return
    lack = 'this GPU has no bfloat16' if device.type == 'cuda' else NO_CPU_BF16
    ratio = f'took {1 / speedup:.1f} times as long as float32'
    warnings.warn(f'{setting}: {lack}; bfloat16 {ratio} in a measurement with small images; use {advice}', stacklevel=2)
