"""Convert images, predictions and scores to the images and texts that the page shows."""

import cv2
import numpy as np

from mmderain.perception.scene import View

#: Maps the protocol of a score to its number format and its unit.
SCORE_FORMATS = {'PSNR-Y': ('.2f', ' dB'), 'SSIM-Y(valid)': ('.4f', '')}


def to_rgb(img: np.ndarray) -> np.ndarray:
    """Convert BGR to RGB, the channel order of gradio."""
    return cv2.cvtColor(img, cv2.COLOR_BGR2RGB)


def prediction_text(view: View) -> str:
    """Return a line of text that describes the prediction of the task model for a view."""
    return f'{view.caption}; {view.agreement}' if view.agreement else view.caption


def difference(rainy: np.ndarray, derained: np.ndarray) -> np.ndarray:
    """Return an image of what deraining has removed: the rainy image minus the derained image, plus 128.

    Args:
        rainy: (H, W, 3) BGR uint8.
        derained: (H, W, 3) BGR uint8.

    Returns:
        ``rainy - derained + 128``, clamped to [0, 255]. A value above 128 means that the derainer removed light. A
        value below 128 means that it added light.
    """
    return cv2.addWeighted(rainy, 1, derained, -1, 128)


def score_cards(before: dict[str, float], after: dict[str, float]) -> str:
    """Return HTML that shows each score before and after deraining.

    Args:
        before: maps each protocol to the score of the rainy image.
        after: maps each protocol to the score of the derained image.
    """
    cards = [
        f'<div class="card"><span>{name}</span>'
        f'<div>{before[name]:{number_format}} → <b>{after[name]:{number_format}}</b>{unit}</div></div>'
        for name, (number_format, unit) in SCORE_FORMATS.items()
        if name in before
    ]
    return f'<div class="cards">{"".join(cards)}</div>'
