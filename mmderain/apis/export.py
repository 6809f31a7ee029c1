"""Export a derainer to one file in the format of ONNX or ``torch.export``, which can be used without mmderain."""

import contextlib
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mmderain.errors import InputError, NonFiniteError
from mmderain.io.files import atomic_write
from mmderain.models import Derainer
from mmderain.models.finite import finite_images, require_finite_results

#: Version of the ONNX operator set.
OPSET = 20
#: The results of the exported model and of the PyTorch model must differ by less than this value, on the scale [0, 1].
TOLERANCE = 1e-4
#: The ONNX exporter of torch writes its log messages to these loggers and to their children.
EXPORT_LOGGERS = ('torch.onnx', 'onnxscript', 'onnx_ir')
#: File suffixes of the formats of ONNX and of ``torch.export``.
SUFFIXES = ('.onnx', '.pt2')


class ExportedModel(nn.Module):
    """The module that is exported. It returns the last stage result of a derainer, clamped to [0, 1].

    Values that are not finite become NaN. Clamping alone would turn infinite values into white pixels.

    Args:
        derainer: a derainer in ``eval()`` mode.
    """

    def __init__(self, derainer: Derainer) -> None:
        super().__init__()
        self.derainer = derainer

    def forward(self, rainy: Tensor) -> Tensor:
        """Derain an image (1, 3, H, W), RGB in [0, 1]."""
        derained = self.derainer.stages(rainy)[-1]
        return torch.where(derained.isfinite(), derained.clamp(0, 1), torch.nan)


@dataclass(frozen=True)
class Export:
    """Result of :func:`export_derainer`.

    Attributes:
        multiple: the height and the width of an input must be multiples of this number, and at least 8 times this
            number. None if the model accepts only the size of the example input.
        differences: maps each tested (height, width) to the largest difference between the results of the exported
            model and of the PyTorch model.
    """

    multiple: int | None
    differences: dict[tuple[int, int], float]


def export_derainer(
    derainer: Derainer, path: str | Path, size: tuple[int, int] = (320, 480), fixed: bool = False
) -> Export:
    """Write a derainer to one file, and compare the exported model with the PyTorch model.

    The input ``rainy`` of the exported model is one image, float32 (1, 3, H, W), RGB in [0, 1]. The output ``derained``
    has the same shape and is clamped to [0, 1]. Values that are not finite become NaN. The exported model contains the
    normalization and the conversion to the channel order of the network.

    Args:
        derainer: a derainer in ``eval()`` mode, on the CPU.
        path: the file to write. Its suffix chooses the format: ``.onnx`` or ``.pt2`` (``torch.export``). ONNX requires
            the extra ``[export]``.
        size: height and width of the example input in pixels. Default: (320, 480).
        fixed: True exports a model that accepts only ``size``. A network with ``export_any_size=False`` in its spec is
            always exported in this way. Default: False.

    Returns:
        The sizes that the exported model accepts, and its differences from the PyTorch model.

    Raises:
        InputError: the suffix or the size is not supported, a package is missing, torch cannot export the network, or
            the results of the exported model and of the PyTorch model differ by 1e-4 or more. In all these cases, no
            file is written.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f'{path}: expected a file name that ends in {" or ".join(SUFFIXES)}')
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
        except Exception as error:  # the exporters of torch can raise any exception
            reason = str(error).strip().partition('\n')[0]
            hint = '' if fixed else '; try fixed=True, which exports the model for one size only'
            raise InputError(f'{path}: torch cannot export {kind}: {reason}{hint}') from error
        exported = _load(part)
        for height, width in sizes:
            rainy = torch.rand(1, 3, height, width)
            derained = model(rainy)
            try:
                require_finite_results([finite_images(derained)], derainer.network, rainy)
            except NonFiniteError as error:
                raise error.with_names([f'{path}: not written']) from None
            difference = (exported(rainy) - derained).abs().max().item()
            if not difference < TOLERANCE:  # also refuses NaN
                raise InputError(
                    f'{path}: not written. At {height}x{width}, the results of the exported model and of the PyTorch '
                    f'model differ by {difference:.1e}; the difference must be smaller than {TOLERANCE}'
                )
            differences[height, width] = difference
    return Export(None if fixed else multiple, differences)


def load_exported(path: str | Path) -> Callable[[Tensor], Tensor]:
    """Load an exported model on the CPU.

    Args:
        path: a file that :func:`export_derainer` wrote.

    Returns:
        A function that takes a rainy image (1, 3, H, W), float32 RGB in [0, 1], and returns the derained image. It
        raises a NonFiniteError if the result contains NaN or infinite values.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is damaged or is not an exported model, or onnxruntime is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; expected an exported model')
    if path.suffix != '.pt2':
        _require_onnx()
    try:
        run = _load(path)
    except Exception as error:  # torch and onnxruntime raise exceptions of many types for a damaged file
        reason = str(error).strip().partition('\n')[0] or type(error).__name__
        raise InputError(f'{path}: cannot be loaded as an exported model ({reason}); export it again') from error

    def derain(rainy: Tensor) -> Tensor:
        derained = run(rainy)
        if not derained.isfinite().all():
            advice = 'Check the rainy image. If it contains only numbers from 0 to 1, export another checkpoint.'
            reason = f'the result of the exported model contains NaN or infinite values. {advice}'
            raise NonFiniteError(reason, names=[str(path)])
        return derained

    return derain


def _load(path: Path) -> Callable[[Tensor], Tensor]:
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
        raise InputError(f"{error}; ONNX files need the extra [export]: pip install 'mmderain[export]'") from error


def _write(model: ExportedModel, path: Path, size: tuple[int, int], multiple: int | None) -> None:
    """Write a model to a file.

    Args:
        model: the model.
        path: the file to write.
        size: height and width of the example input.
        multiple: the height and the width of an input must be multiples of this number. With None, it accepts only
            ``size``.
    """
    rainy = torch.rand(1, 3, *size)
    shapes = None
    if multiple is not None:
        # The code of the network has extra branches for small images, and torch refuses to export such branches. If
        # each side is at least 8 * multiple, the network never takes them.
        sides = [torch.export.Dim(name, min=8, max=2**14) for name in ('h', 'w')]
        shapes = ({2 + i: side if multiple == 1 else multiple * side for i, side in enumerate(sides)},)
    with warnings.catch_warnings():  # affects all threads, because Python has no warnings filter for one thread
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
    """Hide all messages of these loggers inside the block, except errors."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
