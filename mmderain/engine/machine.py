"""Describe the machine on which a measurement was made."""

import platform
from pathlib import Path

import torch

from mmderain.models.precision import BF16_FLAGS, cpu_flags


def processor_name() -> str:
    """Return the name of the processor: from ``/proc/cpuinfo`` if it is there, else from the module ``platform``."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def processor_with_features() -> str:
    """Return the name of the processor, and those of its instruction sets that affect the speed of training."""
    return f'{processor_name()} ({", ".join(sorted(cpu_flags() & {"avx2", "avx512f", *BF16_FLAGS}))})'


def device_name(device: str) -> str:
    """Return the name of a device, and whether a GPU computes float32 convolutions in TF32."""
    if device == 'cpu':
        return 'cpu'
    return torch.cuda.get_device_name(device) + (', fp32 as TF32' if torch.backends.cudnn.allow_tf32 else '')
