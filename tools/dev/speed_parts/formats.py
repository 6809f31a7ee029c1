"""Compare PyTorch with exported files: AOTInductor, ONNX Runtime in fp32, and ONNX Runtime with int8 weights."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmderain.apis import trained_derainer
from mmderain.apis.export import ExportedModel, export_derainer, load_exported
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.evaluation import measure
from mmderain.io.image import read_image, to_bgr_uint8, to_rgb_tensor
from mmderain.rain import draw_rain

from .common import ROOT, SIZE, compare

#: Bundled derainers that are exported.
MODELS = ('sian', 'nafnet')


def photographs(folder: str) -> list[np.ndarray]:
    """Return the centers of the bundled photographs that are large enough, BGR uint8, each of :data:`SIZE`."""
    images = []
    for path in sorted((ROOT / 'demo/sample' / folder).glob('*.jpg')):
        image = read_image(path)
        top, left = ((have - want) // 2 for have, want in zip(image.shape, SIZE))
        if min(top, left) >= 0:
            images.append(np.ascontiguousarray(image[top : top + SIZE[0], left : left + SIZE[1]]))
    return images


def formats() -> Iterator[dict]:
    """Yield a row for each model and format: the time relative to PyTorch, the size of the file, and the PSNR."""
    test = [
        (to_rgb_tensor(draw_rain(clean, 'heavy', seed).rainy)[None], clean)
        for seed, clean in enumerate(photographs('test'))
    ]
    calibration = [
        to_rgb_tensor(draw_rain(c, 'heavy', 100 + n).rainy)[None] for n, c in enumerate(photographs('train'))
    ]
    for name in MODELS:
        model = ExportedModel(trained_derainer(name)).eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode(), keep_cpu_memory():
            plain = quality(model, test)
            yield dict(model=name, format='PyTorch', ratio=1.0, psnr=plain, loss=0.0)
            for kind, make in FORMATS.items():
                path = Path(folder) / kind.replace(' ', '_')
                try:
                    with torch.inference_mode(False), torch.no_grad():
                        run, file = make(model, path, calibration)
                    row = compare(partial(run, test[0][0]), partial(model, test[0][0]), model=name, format=kind)
                    found = quality(run, test)
                    yield dict(row, psnr=found, loss=plain - found, megabytes=file.stat().st_size / 1e6)
                except Exception as error:  # exporters and compilers can raise any exception
                    yield dict(model=name, format=kind, problem=str(error).strip().partition('\n')[0][:200])


def quality(run: Callable[[Tensor], Tensor], test: list[tuple[Tensor, np.ndarray]]) -> float:
    """Return the mean PSNR of the derained images in dB, under the protocol PSNR-RGB."""
    values = []
    for rainy, clean in test:
        values.append(measure(to_bgr_uint8(run(rainy)[0].clamp(0, 1)), clean, 'PSNR-RGB'))
    return float(np.mean(values))


def aot_inductor(model: ExportedModel, path: Path, calibration: list[Tensor]) -> tuple[Callable, Path]:
    """Compile a model ahead of time to a .pt2 package."""
    program = torch.export.export(model, (torch.rand(1, 3, *SIZE),), strict=False)
    package = torch._inductor.aoti_compile_and_package(program, package_path=f'{path}.pt2')
    return torch._inductor.aoti_load_package(package), Path(package)


def onnx_fp32(model: ExportedModel, path: Path, calibration: list[Tensor]) -> tuple[Callable, Path]:
    """Export a model to ONNX."""
    file = path.with_suffix('.onnx')
    export_derainer(model.derainer, file, SIZE, fixed=True)
    return load_exported(file), file


def onnx_int8(model: ExportedModel, path: Path, calibration: list[Tensor]) -> tuple[Callable, Path]:
    """Export a model to ONNX, and quantize its convolutions to int8 with photographs as calibration data."""
    from onnxruntime import quantization

    class Photographs(quantization.CalibrationDataReader):
        remaining = iter(calibration[:8])

        def get_next(self) -> dict | None:
            image = next(self.remaining, None)
            return None if image is None else {'rainy': image.numpy()}

    _, exported = onnx_fp32(model, path.with_name('fp32'), calibration)
    cleaned, file = path.with_suffix('.clean.onnx'), path.with_suffix('.onnx')
    quantization.quant_pre_process(str(exported), str(cleaned), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(cleaned),
        str(file),
        Photographs(),
        per_channel=True,
        op_types_to_quantize=['Conv'],
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return load_exported(file), file


FORMATS = {'AOTInductor': aot_inductor, 'ONNX Runtime fp32': onnx_fp32, 'ONNX Runtime int8': onnx_int8}
