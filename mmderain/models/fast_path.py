"""Compile a network for the image sizes for which this saves more time than it costs (``Derainer.prepare``)."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mmderain.errors import require_whole_number

from .precision import require_precision

if TYPE_CHECKING:
    from .derainer import Derainer

#: Values that :func:`pays` assumes before a network is compiled: the time without and with compilation, divided by each
#: other, and the time of the compilation in seconds.
EXPECTED_GAIN, EXPECTED_COST = 1.25, 120.0
#: A compiled network is used only if it is faster by more than this factor.
MIN_GAIN = 1.03
#: Number of timed passes of the uncompiled and of the compiled network.
REPEATS = 3
#: Largest number of cases that are compiled. After eight, torch itself would run further cases uncompiled.
MAX_CASES = 6
#: Largest root mean square difference between the results of the compiled and of the uncompiled network, on the scale
#: [0, 1]. The first value is for float32 (100 dB), the second one for lower precisions (54 dB).
TOLERANCES = (1e-5, 2e-3)

#: Shape of a batch, device and number format. A network is compiled for each case separately.
Case = tuple[tuple[int, ...], str, str]
#: Function that decides whether to compile a network. It takes the mean time of a pass in seconds and the number of
#: passes so far.
Rule = Callable[[float, int], bool]


def pays(seconds: float, count: int, gain: float = EXPECTED_GAIN, cost: float = EXPECTED_COST) -> bool:
    """Return whether compiling a network saves more time than it costs.

    The formula is ``count * seconds * (1 - 1 / gain) > cost``. The number of passes that will follow is not known.
    The rule assumes that as many passes follow as have been made. With the default values, it therefore compiles a
    network after ten minutes of passes with images of one size.

    Args:
        seconds: time of a pass of the uncompiled network in seconds.
        count: number of passes.
        gain: time of the uncompiled network divided by the time of the compiled network.
        cost: time of the compilation in seconds.
    """
    return count * seconds * (1 - 1 / gain) > cost


def at_once(seconds: float, count: int) -> bool:
    """Return True, so that a network is compiled after its first pass."""
    return True


@dataclass(frozen=True)
class Preparation:
    """Result of compiling a network for one case.

    Attributes:
        shape: shape of the batches, (N, 3, H, W).
        precision: number format of the convolutions, such as ``'bfloat16'``.
        seconds: median time of a pass of the uncompiled network in seconds; 0 if torch could not compile the network.
        compiled_seconds: median time of a pass of the compiled network; 0 if torch could not compile the network.
        cost: time of the compilation and of the measurement in seconds.
        problem: why the compiled network is not used; empty if it is used.
    """

    shape: tuple[int, ...]
    precision: str
    seconds: float = 0.0
    compiled_seconds: float = 0.0
    cost: float = 0.0
    problem: str = ''

    @property
    def gain(self) -> float:
        """Time of a pass before the preparation, divided by the time of a pass after it. 1 if nothing has changed."""
        return 1.0 if self.problem else self.seconds / self.compiled_seconds

    def __str__(self) -> str:
        batch, _, height, width = self.shape
        case = f'{height}x{width}, batch {batch}, {self.precision}'
        if self.problem:
            return f'not prepared for {case}: {self.problem}'
        return f'prepared for {case}: {self.gain:.2f} times as fast; the preparation took {self.cost:.0f} s'


class FastPath:
    """Run a network, and compile it for each case for which a rule says so.

    The compiled network contains the weights as constants (Inductor's option ``freezing``), so that their memory
    layout is converted only once. It is used only without gradients, in ``eval()`` mode, if it was measured to be
    faster, and if its results equal those of the uncompiled network up to :data:`TOLERANCES`. Copies of this object
    contain no compiled networks.

    Args:
        rule: decides whether to compile the network for a case, see :data:`Rule`.

    Attributes:
        preparations: maps each case for which torch was asked to compile to the result.
    """

    def __init__(self, rule: Rule = pays) -> None:
        self.rule = rule
        self.preparations: dict[Case, Preparation] = {}
        self._compiled: dict[Case, Callable[[Tensor], Sequence[Tensor]]] = {}
        self._passes: dict[Case, tuple[int, float]] = {}  # number of passes, and their time in seconds

    def __getstate__(self) -> dict:
        return dict(FastPath(self.rule).__dict__)

    def __call__(self, network: nn.Module, x: Tensor) -> Sequence[Tensor]:
        """Return ``network(x)``.

        Args:
            network: the network, always the same one.
            x: (N, 3, H, W).
        """
        if torch.is_grad_enabled() or network.training or torch.compiler.is_compiling():
            return network(x)
        dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
        case = tuple(x.shape), str(x.device), str(dtype).removeprefix('torch.')
        if case in self._compiled:
            return self._compiled[case](x)
        if case in self.preparations or len(self.preparations) == MAX_CASES:
            return network(x)
        start = time.perf_counter()
        results = network(x)
        count, seconds = self._passes.get(case, (0, 0.0))
        if len(self._passes) > 1000:  # images of very many sizes
            self._passes.clear()
        self._passes[case] = count, seconds = count + 1, seconds + time.perf_counter() - start
        if self.rule(seconds / count, count):
            self._prepare(network, x, results, case)
        return results

    def _prepare(self, network: nn.Module, x: Tensor, expected: Sequence[Tensor], case: Case) -> None:
        """Compile the network for a case, and keep the compiled network if it is better."""
        start = time.perf_counter()
        times: list[list[float]] = [[], []]
        try:
            compiled = compile_network(network)
            error = (compiled(x)[-1].float() - expected[-1].float()).square().mean().sqrt().item()
            for _ in range(REPEATS):
                times[0].append(seconds_of(network, x))
                times[1].append(seconds_of(compiled, x))
        except Exception as failure:  # the type of the error depends on which program or package is missing
            reason = str(failure).strip().partition('\n')[0] or type(failure).__name__
            self.preparations[case] = Preparation(case[0], case[2], problem=f'torch cannot compile it ({reason})')
            return
        seconds, compiled_seconds = map(median, times)
        problem, limit = '', TOLERANCES[case[2] != 'float32']
        if not error <= limit:  # also refuses NaN
            problem = f'the results of the compiled network differ by {error:.1e}, more than {limit:.0e}'
        elif seconds / compiled_seconds < MIN_GAIN:
            problem = f'the compiled network is only {seconds / compiled_seconds:.2f} times as fast'
        else:
            self._compiled[case] = compiled
        cost = time.perf_counter() - start
        self.preparations[case] = Preparation(case[0], case[2], seconds, compiled_seconds, cost, problem)


def compile_network(network: nn.Module) -> Callable[[Tensor], Sequence[Tensor]]:
    """Return a function that compiles a network in its first call, with the weights as constants."""
    return torch.compile(network, dynamic=False, options={'freezing': True})


def seconds_of(call: Callable[[Tensor], object], x: Tensor) -> float:
    """Return the run time of ``call(x)`` in seconds."""
    start = time.perf_counter()
    call(x)
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter() - start


def prepare_derainer(
    derainer: 'Derainer', size: Sequence[int] | None = None, precision: str | None = None, rule: Rule = pays
) -> 'Derainer':
    """Return a copy of a derainer that compiles its network for the image sizes for which this saves time.

    The derainer itself, its weights and its checkpoint do not change. The copy has the same state dict. If weights are
    loaded into the copy later, it runs uncompiled. Tiles always run uncompiled.

    Args:
        derainer: the derainer, on its device.
        size: height and width in pixels of the images for which the network is compiled at once. None compiles nothing
            at once.
        precision: see :class:`~mmderain.models.Derainer`. None keeps the setting of the derainer.
        rule: decides whether to compile for another size. :func:`pays` compiles after ten minutes of passes with images
            of one size, and :func:`at_once` after the first pass.

    Returns:
        The copy, in ``eval()`` mode and without gradients. Its attribute ``fast_path.preparations`` contains what was
        gained (:class:`Preparation`).

    Raises:
        ValueError: ``size`` is no pair of positive integers, or the precision is not known.
    """
    require_precision('prepare', precision)
    if size is not None:
        if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
            raise ValueError(f'prepare: size must be a pair (height, width) of integers, found {size!r}')
        for name, side in zip(('height', 'width'), size):
            require_whole_number(f'prepare: {name} in size', side, 1)
    prepared = copy.deepcopy(derainer).eval().requires_grad_(False)
    prepared.precision = prepared.precision if precision is None else precision
    prepared.fast_path = FastPath(at_once)
    if size is not None:
        image = next(prepared.network.parameters(), torch.empty(0))
        generator = torch.Generator(image.device).manual_seed(0)
        with torch.inference_mode():
            prepared.restore(torch.rand(1, 3, *size, generator=generator, device=image.device))
    prepared.fast_path.rule = rule
    return prepared
