"""Describe the machine that runs this process, for the reports of measurements."""

import platform
from pathlib import Path

import torch

from mmderain.models.precision import BF16_FLAGS, cpu_flags


def processor_name() -> str:
    """Return the name of the processor, from ``/proc/cpuinfo`` or else from the module ``platform``."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def processor_with_features() -> str:
    """Return the name of the processor and its instruction sets that make a training faster."""
    return f'{processor_name()} ({", ".join(sorted(cpu_flags() & {"avx2", "avx512f", *BF16_FLAGS}))})'


def device_name(device: str) -> str:
    """Return the name of a device. For a GPU that computes float32 convolutions in TF32, the name says so."""
    if device == 'cpu':
        return 'cpu'
    return torch.cuda.get_device_name(device) + (', fp32 as TF32' if torch.backends.cudnn.allow_tf32 else '')
