"""Draw panels of images with captions, and pass them to the visualization back ends of mmengine."""

import cv2
import numpy as np
from mmengine.visualization import Visualizer

from mmderain.io.files import safe_name
from mmderain.io.image import to_bgr_uint8
from mmderain.registry import VISUALIZERS
from mmderain.structures import DerainDataSample


def panel(images: dict[str, np.ndarray], gap: int = 6) -> np.ndarray:
    """Draw images side by side, each with a caption above it.

    Args:
        images: maps each caption to its image, (H, W, 3) uint8. All images have the same size. The channel order is not
            changed.
        gap: width in pixels of the white border at the left, right and bottom of each image.

    Returns:
        The panel, uint8. For n images, the shape is (H + gap + height of a caption, n (W + 2 gap), 3).
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
    """Draw images in a grid with ``columns`` images in each row. Each image has a caption above it.

    If the last row has fewer images than the others, the rest of this row is white.

    Args:
        images: maps each caption to its image, (H, W, 3) uint8. All images have the same size. The channel order is not
            changed.
        columns: number of images in a row.
    """
    captions = list(images)
    rows = [panel({c: images[c] for c in captions[i : i + columns]}) for i in range(0, len(captions), columns)]
    width = rows[0].shape[1]
    return np.concatenate([np.pad(x, ((0, 0), (0, width - x.shape[1]), (0, 0)), constant_values=255) for x in rows])


@VISUALIZERS.register_module()
class DerainVisualizer(Visualizer):
    """Draw panels that show the rainy image, the derained image, the clean image and the rain layer.

    The back ends of mmengine write the panels to files, or pass them to a tool such as TensorBoard.

    The rain layer shows ``128 + (rainy - derained) / 2``. A value above 128 means that the derainer removed light from
    the pixel. A value below 128 means that it added light.
    """

    def draw_panel(self, image: np.ndarray, data_sample: DerainDataSample, draw_gt: bool = True) -> np.ndarray:
        """Draw a panel, but do not pass it to the back ends.

        Args:
            image: rainy image, (H, W, 3) RGB uint8.
            data_sample: sample with the derained image ``pred_img``. The clean image ``gt_img`` is optional.
            draw_gt: whether to show the clean image, if the sample contains it.

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
            name: name of the panel. The back ends use it as a file name. Therefore characters that file names should
                not contain, such as slashes, are replaced by underscores, and a long name is shortened to its end.
            image: see :meth:`draw_panel`.
            data_sample: see :meth:`draw_panel`.
            draw_gt: see :meth:`draw_panel`.
            step: training step.

        Returns:
            The panel, RGB uint8.
        """
        drawn = self.draw_panel(image, data_sample, draw_gt)
        self.set_image(drawn)
        # A file name has at most 255 bytes. The back ends add the step and a suffix to the name.
        short = safe_name(name).encode()[-200:].decode(errors='ignore')
        self.add_image(short, drawn, step)
        return drawn
