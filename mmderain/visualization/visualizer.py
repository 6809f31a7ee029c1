"""Panels of images with captions, and the visualizer of mmengine that draws them."""

import cv2
import numpy as np
from mmengine.visualization import Visualizer

from mmderain.io.image import to_bgr_uint8
from mmderain.registry import VISUALIZERS
from mmderain.structures import DerainDataSample


def panel(images: dict[str, np.ndarray], gap: int = 6) -> np.ndarray:
    """Return images side by side, each with a caption above it.

    Args:
        images: caption -> image, (H, W, 3) uint8, all of the same size; the channel order is kept.
        gap: width in pixels of the white border at the left, right and bottom of each image.

    Returns:
        (H + gap + height of the captions, n (W + 2 gap), 3) uint8 for n images.
    """
    height, width = next(iter(images.values())).shape[:2]
    scale = max(0.35, min(height, width) / 600)
    bar = int(34 * scale) + 6
    tiles = []
    for caption, image in images.items():
        tile = np.full((height + bar + gap, width + 2 * gap, 3), 255, np.uint8)
        tile[bar : bar + height, gap : gap + width] = image
        thickness = max(1, round(1.6 * scale))
        cv2.putText(
            tile,
            caption,
            (gap, bar - int(9 * scale) - 2),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            (0, 0, 0),
            thickness,
            cv2.LINE_AA,
        )
        tiles.append(tile)
    return np.concatenate(tiles, axis=1)


def grid(images: dict[str, np.ndarray], columns: int) -> np.ndarray:
    """Return images in rows of ``columns`` images, each with a caption; white fills the rest of the last row.

    Args:
        images: caption -> image, (H, W, 3) uint8, all of the same size; the channel order is kept.
        columns: number of images in a row.
    """
    captions = list(images)
    rows = [panel({c: images[c] for c in captions[i : i + columns]}) for i in range(0, len(captions), columns)]
    width = rows[0].shape[1]
    return np.concatenate([np.pad(x, ((0, 0), (0, width - x.shape[1]), (0, 0)), constant_values=255) for x in rows])


@VISUALIZERS.register_module()
class DerainVisualizer(Visualizer):
    """Draw panels of rainy image, derained image, clean image and rain layer for the back ends of mmengine.

    The back ends write the panels to files, or pass them to a tool such as TensorBoard.

    The rain layer shows ``128 + (rainy - derained) / 2``. It is brighter than the mid-gray 128 where the derainer
    removed light, and darker where the derainer added light.
    """

    def draw_panel(self, image: np.ndarray, data_sample: DerainDataSample, draw_gt: bool = True) -> np.ndarray:
        """Draw a panel without writing it.

        Args:
            image: rainy image, (H, W, 3) RGB uint8.
            data_sample: sample with ``pred_img``.
            draw_gt: whether to show the clean image, if the sample has one.

        Returns:
            The panel, RGB uint8.
        """
        derained = to_bgr_uint8(data_sample.pred_img)[..., ::-1]
        images = {'rainy': image, 'derained': derained}
        if draw_gt and 'gt_img' in data_sample:
            images['truth'] = to_bgr_uint8(data_sample.gt_img)[..., ::-1]
        removed = image.astype(np.int16) - derained
        images['rain layer (128 = none)'] = np.clip(128 + removed // 2, 0, 255).astype(np.uint8)
        return panel(images)

    def add_datasample(
        self, name: str, image: np.ndarray, data_sample: DerainDataSample, draw_gt: bool = True, step: int = 0
    ) -> np.ndarray:
        """Draw a panel and pass it to the back ends.

        Args:
            name: name of the panel. Each slash in the name is replaced by an underscore.
            image: as in :meth:`draw_panel`.
            data_sample: as in :meth:`draw_panel`.
            draw_gt: as in :meth:`draw_panel`.
            step: training step.

        Returns:
            The panel, RGB uint8.
        """
        drawn = self.draw_panel(image, data_sample, draw_gt)
        self.set_image(drawn)
        self.add_image(name.replace('/', '_'), drawn, step)
        return drawn
