"""Draw predictions of a task model on images, and show the drawings of all conditions side by side."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from mmderain.io.files import short_name
from mmderain.io.image import read_image, write_image
from mmderain.perception.drawing import draw_data_sample, score_threshold
from mmderain.visualization import grid

from .conditions import Condition, Result

#: Largest number of bytes of an image name in the names of its drawings and figures, which also name the rain.
_MAX_BYTES = 120


def draw_predictions(
    runner: Runner,
    images: dict[int, tuple[str, np.ndarray]],
    predictions: dict[int, BaseDataElement],
    folder: Path,
) -> list[str]:
    """Draw predictions on images with the visualizer of the config.

    The drawings show the images after the steps of the condition. If the data preprocessor of the task model
    derains the images later, the drawings do not show the derained images.

    Args:
        runner: runner of the test.
        images: maps the index of each image to its path and its pixels, (H, W, 3) BGR uint8; see
            :class:`MeasuredSteps`.
        predictions: maps the index of each image to a data sample of mmdet or mmseg, see :class:`RecordingHook`.
        folder: folder for the drawings. The predictions for an image are written to ``<name>.png``. If the data set
            loads annotations, the ground truth is written to ``<name>.truth.png``. Long names are shortened.

    Returns:
        The file names of the drawings, without suffix.
    """
    names = []
    for index, sample in predictions.items():
        path, img = images[index]
        name = f'{index:05d}_{short_name(Path(path).stem, _MAX_BYTES)}'
        options: dict[str, Any] = dict(pred_score_thr=score_threshold(runner.cfg)) if 'pred_instances' in sample else {}
        write_image(draw_data_sample(runner.visualizer, img, sample, **options), folder / f'{name}.png')
        if 'gt_instances' in sample or 'gt_sem_seg' in sample:
            truth = draw_data_sample(runner.visualizer, img, sample, draw_gt=True, **options)
            write_image(truth, folder / f'{name}.truth.png')
        names.append(name)
    return names


def write_gallery(rows: list[Condition], results: list[Result], cache: Path, folder: Path, columns: int = 3) -> None:
    """Write figures that show the predictions for an image under several conditions side by side.

    For each image and each rain, the function writes a figure ``<image>_<rain>.png``. The figure shows the ground
    truth, the clean image, and then the drawing of each condition with this rain. If the ground truth or the clean
    image is not known, the figure does not contain it. The figure ``<image>_clean.png`` shows the conditions without
    rain.

    Args:
        rows: the conditions.
        results: their results.
        cache: folder to which the ``drawings`` of the results are relative.
        folder: folder for the gallery. Its previous content is deleted.
        columns: number of images in each row of a figure.
    """
    pairs = list(zip(rows, results, strict=True))
    has_baselines = len({row.model for row in rows}) > 1
    shutil.rmtree(folder, ignore_errors=True)  # the folder must not contain images of an earlier call
    for drawing in results[0].drawings:
        truth, name = cache / f'{drawing}.truth.png', Path(drawing).name
        for rain in dict.fromkeys(row.rain for row in rows):
            shown = [pair for pair in pairs if pair[0].rain == rain]
            if rain is not None and rows[0].rain is None:
                shown.insert(0, pairs[0])
            paths = {'truth': truth} if truth.is_file() else {}
            for row, result in shown:
                model = f', {row.model.name}' if has_baselines and row.model != rows[0].model else ''
                # The config of a baseline may have another test set, which does not contain this image.
                matches = [other for other in result.drawings if Path(other).name == name]
                if matches:
                    paths[row.treatment + model] = cache / f'{matches[0]}.png'
            images = {caption: read_image(path) for caption, path in paths.items()}
            write_image(grid(images, columns), folder / f'{name}_{(rain or "clean").replace(":", "-")}.png')
