"""Measure the run time and the memory of networks and of a reference network, for ``tools/benchmark.py``."""

import importlib
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median_low
from typing import NamedTuple

import torch
from torch import nn

from mmderain.apis import init_model
from mmderain.errors import InputError
from mmderain.models import Derainer

from . import profiling

Size = tuple[int, int]
#: Folder of the plain formulations: slow networks that follow the papers step by step. Only a git checkout has it.
PLAIN_NETWORKS = Path(__file__).resolve().parents[2] / 'tests/reference'


class Variant(NamedTuple):
    """A way to run a network.

    Attributes:
        precision: ``'fp32'``, ``'bf16'`` or ``'fp16'``.
        path: ``'eager'``, ``'compiled'`` (by torch.compile) or ``'graphs'`` (compiled, with CUDA graphs).
        cpu_memory: ``'kept'`` (the process keeps freed memory, see :func:`keep_cpu_memory`) or ``'freed'``.
    """

    precision: str
    path: str
    cpu_memory: str


@dataclass
class Benchmark:
    """Settings of a benchmark, and its measurements.

    Attributes:
        sizes: sizes of the images, (height, width) in pixels.
        batches: batch sizes for the first image size. Only the first batch size is used for the other image sizes.
        precision, paths, cpu_memory: values for the attributes of :class:`Variant`. All combinations are measured.
        train: measure training steps instead of forward passes.
        cfg_options: entries of the configs to override, with dotted keys.
        checkpoint: path of the weights. None uses random initial weights.
        device: device of the networks, such as ``'cpu'`` or ``'cuda:0'``.
        threads: number of CPU threads that torch uses. None keeps the current number.
        repeats: number of timed passes of each variant.
        reference: the reference network: ``'plain'`` (the plain formulation of the network), ``'eager'`` (the network
            itself, not compiled) or ``'module:Class'`` (another network, which is built without arguments).
        resident_memory: also measure the peak memory, each value in a new process. On a CPU, only Linux can do this.
    """

    sizes: list[Size] = field(default_factory=lambda: [(320, 480)])
    batches: list[int] = field(default_factory=lambda: [1])
    precision: list[str] = field(default_factory=lambda: ['fp32'])
    paths: list[str] = field(default_factory=lambda: ['eager'])
    cpu_memory: list[str] = field(default_factory=lambda: ['kept'])
    train: bool = False
    cfg_options: dict | None = None
    checkpoint: str | None = None
    device: str = 'cpu'
    threads: int | None = None
    repeats: int = 5
    reference: str = 'plain'
    resident_memory: bool = True

    def cases(self) -> Iterator[tuple[Size, int]]:
        """Yield the combinations of image size and batch size to measure."""
        for number, size in enumerate(self.sizes):
            yield from product([size], self.batches if number == 0 else self.batches[:1])

    def variants(self) -> list[Variant]:
        """Return all combinations of the values in ``precision``, ``paths`` and ``cpu_memory``."""
        return [Variant(*values) for values in product(self.precision, self.paths, self.cpu_memory)]

    def path_options(self, path: str) -> dict:
        """Return ``cfg_options`` with the compile settings for a value of :attr:`Variant.path`."""
        options = dict(self.cfg_options or {})
        if path != 'compiled':
            options = {key: value for key, value in options.items() if not is_compile_option(key)}
        if path == 'graphs':
            options['model.compile'] = dict(mode='reduce-overhead', dynamic=False)
        elif path == 'compiled' and not any(map(is_compile_option, options)):
            options['model.compile'] = True
        return options

    def build(self, config: str, path: str) -> Derainer:
        """Build the model of a config for a :attr:`Variant.path`. All models of a config have the same weights."""
        options = self.path_options(path)
        torch.manual_seed(0)
        model = init_model(config, self.checkpoint, self.device, options)
        if path == 'eager' and model.cfg.model.get('compile'):  # the config itself turns compilation on
            model = init_model(config, self.checkpoint, self.device, options | {'model.compile': None})
        return model

    def models(self, config: str) -> tuple[Derainer, Derainer]:
        """Return the eager model of a config, and a second model whose network is the reference network.

        Raises:
            FileNotFoundError, InputError: a model cannot be built or trained, or does not accept an image size.
        """
        model = self.build(config, 'eager')
        name, least = type(model.network).__name__, model.spec.min_size
        for height, width in self.sizes:
            if min(height, width) < least:
                raise InputError(f'--sizes {height}x{width}: {name} needs sides of at least {least} pixels')
        if self.train and not (model.losses and 'optim_wrapper' in model.cfg):
            raise InputError(f'{config}: --train needs a config with a loss and an optim_wrapper')
        if self.reference == 'eager':
            return model, self.build(config, 'eager')
        other = init_model(config, device=self.device)
        if self.reference == 'plain':
            other.network = plain_formulation(model.network, config)
        else:
            other.network = load_reference(self.reference).to(self.device).eval()
        return model, other

    def call(self, model: Derainer, precision: str, cpu_memory: str) -> profiling.Call:
        """Return the function that is timed: a training step or a forward pass."""
        keep = cpu_memory == 'kept'
        if self.train:
            return profiling.training_step(model, precision, self.device, keep)
        return profiling.forward_pass(model.network, precision, self.device, keep)

    def rows(self, config: str, peaks: dict[str, float]) -> Iterator[dict]:
        """Measure all variants of a network and the reference network. Their timed passes alternate.

        The reference network runs in float32 and without :func:`~mmderain.engine.cpu_memory.keep_cpu_memory`.

        Args:
            config: config file of a derainer.
            peaks: maps each precision to the result of :func:`~mmderain.engine.profiling.convolution_peak`.

        Yields:
            A dict for each case and variant. ``mmderain.visualization.benchmark_report.COLUMNS`` lists its main keys.

        Raises:
            FileNotFoundError, InputError: see :meth:`models`.
        """
        model, other = self.models(config)
        other_call = self.call(other, 'fp32', 'freed')
        exact = profiling.forward_pass(model.network, 'fp32', self.device)
        models = {path: model if path == 'eager' else self.build(config, path) for path in self.paths}
        calls = {v: self.call(models[v.path], v.precision, v.cpu_memory) for v in self.variants()}
        for size, batch in self.cases():
            images = profiling.random_images(model.network, size, batch, self.device)
            turns = [partial(other_call, images.contiguous()), *(partial(call, images) for call in calls.values())]
            other_times, *own_times = profiling.time_calls(turns, self.repeats, self.device)
            # The gradients of the inputs and those of the weights each cost as much as the forward pass.
            padded = profiling.padded_size(model.network, size)
            adds = profiling.multiply_adds(model.network, padded) * (3 if self.train else 1)
            pixels = batch * size[0] * size[1]
            for (variant, call), times in zip(calls.items(), own_times, strict=True):
                derained = None if self.train else call(images)
                error = 0.0 if derained is None else (derained - exact(images)).square().mean().item()
                tensors = profiling.tensor_memory(call, images) if self.device == 'cpu' else None
                resident = self.resident(config, size, batch, variant) if self.resident_memory else None
                yield dict(
                    network=type(model.network).__name__,
                    config=Path(config).stem,
                    size=f'{size[0]}x{size[1]}',
                    batch=batch,
                    precision=variant.precision,
                    path=variant.path,
                    cpu_memory=variant.cpu_memory if self.device == 'cpu' else None,
                    of='training step' if self.train else 'forward pass',
                    least_ms=min(times),
                    median_ms=median_low(times),
                    reference_least_ms=min(other_times),
                    reference_median_ms=median_low(other_times),
                    ratio=median_low(other_times) / median_low(times),
                    peak_share=100 * batch * adds / (min(times) / 1000) / peaks[variant.precision],
                    psnr=None if error == 0 else -10 * math.log10(error),
                    parameters=sum(p.numel() for p in model.network.parameters()),
                    multiply_adds_a_pixel=adds * batch / pixels,
                    tensors_kb_a_pixel=None if tensors is None else tensors / 1024 / pixels,
                    memory_kb_a_pixel=None if resident is None else resident / 1024 / pixels,
                )

    def resident(self, config: str, size: Size, batch: int, variant: Variant) -> int:
        """Run :func:`~mmderain.engine.profiling.peak_memory` in a new process, and return its result in bytes.

        Raises:
            InputError: the process ended without a result, for example because there was too little memory.
        """
        try:
            with ProcessPoolExecutor(1, get_context('spawn')) as pool:
                return pool.submit(self._peak_memory, config, size, batch, variant).result()
        except BrokenProcessPool as error:
            raise InputError(f'{config}: cannot measure the memory ({error}); use --no-memory') from error

    def _peak_memory(self, config: str, size: Size, batch: int, variant: Variant) -> int:
        if self.threads:
            torch.set_num_threads(self.threads)
        model = self.build(config, variant.path)
        call = self.call(model, variant.precision, variant.cpu_memory)
        images = profiling.random_images(model.network, size, batch, self.device)
        # The first call is not measured, because it creates the optimizer's moments or compiles the network.
        call(images[..., :32, :32] if variant.path == 'eager' else images)
        return profiling.peak_memory(call, images, self.device)


def is_compile_option(key: str) -> bool:
    """Return whether a key of a config is a compile setting."""
    return key.startswith('model.compile')


def load_reference(text: str) -> nn.Module:
    """Build the network that a text such as ``'module:Class'`` names. The module may be in the working directory.

    Raises:
        InputError: there is no such module or class, or the class cannot be built without arguments.
    """
    module, _, name = text.partition(':')
    sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f'--reference {text}: {error}; expected plain, eager or MODULE:CLASS; CLASS must need no arguments'
        ) from error


def plain_formulation(network: nn.Module, config: str) -> nn.Module:
    """Return the plain formulation of a network, see :data:`PLAIN_NETWORKS`.

    Raises:
        InputError: the package is not in a git checkout, or the network has no plain formulation.
    """
    if not PLAIN_NETWORKS.is_dir():
        text = 'only a git checkout contains the plain formulations; choose eager or MODULE:CLASS'
        raise InputError(f'--reference plain: {PLAIN_NETWORKS} does not exist; {text}')
    sys.path.append(str(PLAIN_NETWORKS.parent))
    from reference import plain_network

    try:
        return plain_network(network)
    except InputError as error:
        raise InputError(f'{config}: {error}; choose --reference eager or MODULE:CLASS') from error
