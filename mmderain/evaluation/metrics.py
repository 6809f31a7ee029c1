"""ImageQuality, an mmengine metric that measures derained images."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmderain.errors import InputError
from mmderain.io.files import atomic_write
from mmderain.io.image import to_bgr_levels
from mmderain.io.text import write_csv
from mmderain.registry import METRICS

from .functional import PROTOCOLS, UNROUNDED, measure


@METRICS.register_module()
class ImageQuality(BaseMetric):
    """Measure PSNR and SSIM of derained images under named protocols, and average them over the images.

    A derained image is rounded to 8 bits before it is measured, or to 16 bits if the rainy image has 16 bits. A clean
    image with 16 bits is not rounded. The protocols with "float" in their names measure the derained image without
    rounding.

    Args:
        protocols: keys of :data:`mmderain.evaluation.PROTOCOLS`. They are also the names of the scores.
        crop_border: number of pixels that are removed from each side before the measurement. If it is not 0, it is
            appended to the names of the scores, for example ``PSNR-Y[border 4]``.
        with_input: whether to measure the rainy input too. Its scores are named ``input/<protocol>``.
        out_dir: folder for ``per_image.csv`` and ``metrics.json``; None writes no files.
        collect_device: ``'cpu'`` or ``'gpu'``, for distributed testing.
        prefix: prefix of the names of the scores. It separates the scores if a run has several evaluators.

    Raises:
        KeyError: a protocol is unknown.
        InputError: a derained image contains NaN or infinite values, has another size than its clean image, has no
            clean image, or is too small for a protocol. The message names the image.
    """

    default_prefix = ''  # with None, mmengine would warn that two metrics can use the same name for a score

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
        """Measure the derained images of a batch; ``data_batch['inputs']`` has the rainy images (BGR, 0..255)."""
        for rainy, sample in zip(data_batch['inputs'], data_samples, strict=True):
            name = sample.get('name', '?')
            if 'gt_img' not in sample:
                raise InputError(
                    f'{name}: no clean image was found; ImageQuality expects `gt_img` in each data sample. Use a data '
                    'set with clean images.'
                )
            if not sample['pred_img'].isfinite().all():
                raise InputError(
                    f'{name}: the network returned NaN or infinite values; '
                    'check the checkpoint and the precision of the run'
                )
            rounded = to_bgr_levels(sample['pred_img'], sample.get('img_bits', 8))
            gt = to_bgr_levels(sample['gt_img'], sample.get('gt_bits', 8))
            scores = {}
            for protocol in self.protocols:
                image = rounded
                if protocol in UNROUNDED:
                    image = 255 * sample['pred_img'].double().flip(0).permute(1, 2, 0).cpu().numpy()
                scores[self._label(protocol)] = measure(image, gt, protocol, self.crop_border, name)
            if self.with_input:
                rainy_img = rainy.permute(1, 2, 0).cpu().numpy()
                for protocol in self.protocols:
                    score = measure(rainy_img, gt, protocol, self.crop_border, name)
                    scores[f'input/{self._label(protocol)}'] = score
            self.results.append((name, scores))

    def compute_metrics(self, results: list[tuple[str, dict[str, float]]]) -> dict[str, float]:
        """Return the mean of each score over all images, and write the files if ``out_dir`` is set."""
        means = {key: float(np.mean([scores[key] for _, scores in results])) for key in results[0][1]}
        if self.out_dir is not None:
            write_scores(self.out_dir, results, means)
            print_log(f'Scores of {len(results)} images written to {self.out_dir}', 'current')
        return means


def write_scores(out_dir: str | Path, results: Sequence[tuple[str, dict]], means: dict) -> None:
    """Write ``per_image.csv`` and ``metrics.json``. Each file is written completely or not at all.

    If a derained image is equal to its clean image, its PSNR is infinite. JSON has no infinite numbers. Therefore
    ``metrics.json`` contains the text ``inf`` instead.

    Args:
        out_dir: folder for the two files.
        results: name and scores of each image.
        means: mean of each score.
    """
    out_dir = Path(out_dir)

    def plain(scores: dict) -> dict:
        return {key: value if math.isfinite(value) else str(value) for key, value in scores.items()}

    keys = list(means)
    with atomic_write(out_dir / 'per_image.csv') as part:
        rows = [[name, *(f'{scores[key]:.8f}' for key in keys)] for name, scores in results]
        write_csv(part, ['image', *keys], rows)

    content = dict(images=len(results), mean=plain(means), per_image={name: plain(scores) for name, scores in results})
    with atomic_write(out_dir / 'metrics.json') as part:
        part.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
