"""Export a derainer to one file that runs without mmderain, in the format of ONNX or of ``torch.export``."""

import contextlib
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mmderain.errors import InputError
from mmderain.io.files import atomic_write
from mmderain.models import Derainer

#: Version of the ONNX operator set.
OPSET = 20
#: Largest accepted difference between the exported model and PyTorch, for images in [0, 1].
TOLERANCE = 1e-4
#: Names of the parents of the loggers that the ONNX exporter of torch uses.
EXPORT_LOGGERS = ('torch.onnx', 'onnxscript', 'onnx_ir')
#: Suffixes of the files of ONNX and of ``torch.export``.
SUFFIXES = ('.onnx', '.pt2')


class ExportedModel(nn.Module):
    """The model that is exported. It returns the result of the last stage of a derainer, clamped to [0, 1].

    Args:
        derainer: a derainer in ``eval()`` mode.
    """

    def __init__(self, derainer: Derainer) -> None:
        super().__init__()
        self.derainer = derainer

    def forward(self, rainy: Tensor) -> Tensor:
        """Derain an image (1, 3, H, W), RGB in [0, 1]."""
        return self.derainer.stages(rainy)[-1].clamp(0, 1)


@dataclass(frozen=True)
class Export:
    """Result of :func:`export_derainer`.

    Attributes:
        multiple: height and width of an input must be multiples of this number, and at least 8 times this number. None
            if the model accepts only the size of the example input.
        differences: for each tested (height, width), the largest difference between the results of the exported model
            and of PyTorch.
    """

    multiple: int | None
    differences: dict[tuple[int, int], float]


def export_derainer(
    derainer: Derainer, path: str | Path, size: tuple[int, int] = (320, 480), fixed: bool = False
) -> Export:
    """Write a derainer to one file, and compare the exported model with PyTorch.

    The exported model takes ``rainy``, float32 (1, 3, H, W), RGB in [0, 1], and returns ``derained`` of the same shape,
    clamped to [0, 1]. It contains the conversion to the channel order of the network and the normalization.

    Args:
        derainer: a derainer in ``eval()`` mode, on the CPU.
        path: the file to write, ``.onnx`` or ``.pt2`` (``torch.export``). ONNX requires the extra ``[export]``.
        size: height and width of the example input in pixels. Default: (320, 480).
        fixed: True exports a model that accepts only ``size``. Default: False.

    Returns:
        The sizes that the model accepts, and its differences from PyTorch.

    Raises:
        InputError: the suffix or the size is not supported, a package is missing, torch cannot export the network, or
            the result of the exported model differs from PyTorch by more than 1e-4. No file is written then.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f'{path}: expected a file that ends in {" or ".join(SUFFIXES)}')
    if path.suffix == '.onnx':
        _require_onnx()
    kind = type(derainer.network).__name__
    multiple = math.lcm(derainer.spec.size_multiple, derainer.spec.export_multiple)
    if any(side % multiple or side < 8 * multiple for side in size):
        raise InputError(
            f'size={tuple(size)}: to export {kind}, height and width must each be a multiple of {multiple} and at '
            f'least {8 * multiple}'
        )
    fixed = fixed or not derainer.spec.export_any_size
    sizes = [tuple(size)] if fixed else [tuple(size), (12 * multiple, 8 * multiple)]
    model, differences = ExportedModel(derainer).eval(), {}
    with atomic_write(path) as part, torch.no_grad():
        try:
            _write(model, part, size, None if fixed else multiple)
        except Exception as error:  # the exporters of torch raise many types of errors
            reason = str(error).strip().partition('\n')[0]
            hint = '' if fixed else '; try fixed=True, which exports the model for one size only'
            raise InputError(f'{path}: torch cannot export {kind}: {reason}{hint}') from error
        exported = load_exported(part)
        for height, width in sizes:
            rainy = torch.rand(1, 3, height, width)
            difference = (exported(rainy) - model(rainy)).abs().max().item()
            if not difference < TOLERANCE:  # also refuses NaN
                raise InputError(
                    f'{path}: not written. At {height}x{width}, the result of the exported model differs from that of '
                    f'PyTorch by {difference:.1e}; at most {TOLERANCE} is allowed'
                )
            differences[height, width] = difference
    return Export(None if fixed else multiple, differences)


def load_exported(path: str | Path) -> Callable[[Tensor], Tensor]:
    """Load an exported model on the CPU.

    Args:
        path: a file that :func:`export_derainer` wrote.

    Returns:
        A function that takes a rainy image (1, 3, H, W), float32 RGB in [0, 1], and returns the derained image.
    """
    path = Path(path)
    if path.suffix == '.pt2':
        return torch.export.load(path).module()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    return lambda rainy: torch.from_numpy(session.run(None, {'rainy': rainy.numpy()})[0])


def _require_onnx() -> None:
    """Check that the packages for ONNX can be imported."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f"{error}; ONNX needs the extra [export]: pip install 'mmderain[export]'") from error


def _write(model: ExportedModel, path: Path, size: tuple[int, int], multiple: int | None) -> None:
    """Write a model to a file.

    Args:
        model: the model.
        path: the file to write.
        size: height and width of the example input.
        multiple: the exported model accepts sides that are multiples of this number. None exports it for ``size`` only.
    """
    rainy = torch.rand(1, 3, *size)
    shapes = None
    if multiple is not None:
        # With sides of at least 8 multiples, the code never takes a branch for small images. Without this limit, torch
        # would refuse the export because of these branches.
        sides = [torch.export.Dim(name, min=8, max=2**14) for name in ('h', 'w')]
        shapes = ({2 + i: side if multiple == 1 else multiple * side for i, side in enumerate(sides)},)
    with warnings.catch_warnings():  # the filter affects all threads; Python has no filter for a single thread
        warnings.simplefilter('ignore')
        program = torch.export.export(model, (rainy,), dynamic_shapes=shapes, strict=False)
        if path.suffix == '.pt2':
            torch.export.save(program, path)
            return
        with _errors_only(EXPORT_LOGGERS):  # the exporter logs each constant that it does not fold
            onnx = torch.onnx.export(
                program, (rainy,), input_names=['rainy'], output_names=['derained'], opset_version=OPSET, verbose=False
            )
        if onnx is None:
            raise InputError(f'{path}: torch.onnx.export returned None')
        onnx.save(path, external_data=False)


@contextlib.contextmanager
def _errors_only(loggers: tuple[str, ...]) -> Iterator[None]:
    """Show only errors of these loggers inside the block. Other loggers do not change."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
