"""Draw predictions and ground truth with the visualizers of mmdet and mmseg."""

from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from mmengine.visualization import Visualizer


def score_threshold(config: Config) -> float:
    """Return the score below which boxes are not drawn.

    The score is ``default_hooks.visualization.score_thr`` of the config, or 0.3 if the config has no such entry.
    """
    return config.get('default_hooks', {}).get('visualization', {}).get('score_thr', 0.3)


def draw_data_sample(
    visualizer: Visualizer, img: np.ndarray, sample: BaseDataElement, draw_gt: bool = False, **options: Any
) -> np.ndarray:
    """Draw the prediction or the ground truth of a data sample with the visualizer of mmdet or mmseg.

    Args:
        visualizer: a visualizer of mmdet or mmseg without back ends.
        img: (H, W, 3) BGR uint8.
        sample: data sample of mmdet or mmseg.
        draw_gt: True draws the ground truth. False draws the prediction. Default: False.
        options: further arguments of the visualizer's ``add_datasample``.

    Returns:
        The image with the drawing, (H, W, 3) BGR uint8. ``img`` is not changed.
    """
    rgb = np.ascontiguousarray(img[..., ::-1])
    visualizer.add_datasample('image', rgb, sample, draw_gt=draw_gt, draw_pred=not draw_gt, **options)
    return np.ascontiguousarray(visualizer.get_image()[..., ::-1])
