import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmderain.errors import InputError
from mmderain.io.files import atomic_write
from mmderain.io.image import to_bgr_uint8
from mmderain.registry import METRICS

from .functional import PROTOCOLS, measure


@METRICS.register_module()
class ImageQuality(BaseMetric):
    """PSNR and SSIM of derained pictures under named protocols, mean over images.

    The result is rounded to uint8 before it is measured, as if it had been written to a file and read again.

    Args:
        protocols: keys of :data:`mmderain.evaluation.PROTOCOLS`; they are also the printed names.
        crop_border: pixels cut from each side first; said in the printed name.
        with_input: measure the rainy input too, as ``input/<protocol>``.
        out_dir: where ``per_image.csv`` and ``metrics.json`` go; None writes nothing.
        collect_device: ``'cpu'`` or ``'gpu'``, for distributed testing.
        prefix: put before each name, for several evaluators in one run.

    Raises:
        InputError: naming the picture, when a result holds NaN or has not its truth's size.
    """

    default_prefix = ''  # None would make mmengine warn that names may collide

    def __init__(
        self,
        protocols: Sequence[str] = ('PSNR-Y', 'SSIM-Y(valid)'),
        crop_border: int = 0,
        with_input: bool = False,
        out_dir: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        unknown = [p for p in protocols if p not in PROTOCOLS]
        if unknown:
            raise KeyError(f'unknown protocols {unknown}; known: {", ".join(PROTOCOLS)}')
        self.protocols = tuple(protocols)
        self.crop_border = crop_border
        self.with_input = with_input
        self.out_dir = out_dir

    def _label(self, protocol: str) -> str:
        return f'{protocol}[border {self.crop_border}]' if self.crop_border else protocol

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Measure a batch; ``data_batch['inputs']`` are the BGR uint8 tensors as loaded."""
        for rainy, sample in zip(data_batch['inputs'], data_samples, strict=True):
            name = sample.get('name', '?')
            if 'gt_img' not in sample:
                raise InputError(f'{name}: no clean truth to compare with; ImageQuality needs `gt_img`')
            if not sample['pred_img'].isfinite().all():
                raise InputError(
                    f'{name}: the network returned NaN or infinite values; '
                    'check the checkpoint, or the precision it was run in'
                )
            pictures = {'': to_bgr_uint8(sample['pred_img'])}
            if self.with_input:
                pictures['input/'] = rainy.permute(1, 2, 0).cpu().numpy()
            gt = to_bgr_uint8(sample['gt_img'])
            figures = {
                kind + self._label(protocol): measure(picture, gt, protocol, self.crop_border, name)
                for kind, picture in pictures.items()
                for protocol in self.protocols
            }
            self.results.append((name, figures))

    def compute_metrics(self, results: list[tuple[str, dict[str, float]]]) -> dict[str, float]:
        """Mean over images, and the per-image files if ``out_dir`` is set."""
        means = {key: float(np.mean([f[key] for _, f in results])) for key in results[0][1]}
        if self.out_dir is not None:
            write_figures(self.out_dir, results, means)
            print_log(f'Figures of {len(results)} images written to {self.out_dir}', 'current')
        return means


def write_figures(out_dir: str | Path, results: Sequence[tuple[str, dict]], means: dict) -> None:
    """Write ``per_image.csv`` and ``metrics.json`` (means and per image), each complete or not at all.

    Infinite figures (equal pictures) are written as the text ``inf``, since JSON has no such number.
    """
    out_dir = Path(out_dir)

    def plain(figures: dict) -> dict:
        return {key: value if math.isfinite(value) else str(value) for key, value in figures.items()}

    keys = list(means)
    with atomic_write(out_dir / 'per_image.csv') as part, part.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['image', *keys])
        writer.writerows([name, *(f'{figures[key]:.8f}' for key in keys)] for name, figures in results)

    content = dict(
        images=len(results), mean=plain(means), per_image={name: plain(figures) for name, figures in results}
    )
    with atomic_write(out_dir / 'metrics.json') as part:
        part.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
