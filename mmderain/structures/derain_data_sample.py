"""The data of one image."""

from mmengine.structures import BaseDataElement
from torch import Tensor


class DerainDataSample(BaseDataElement):
    """Data of one image beside the rainy input: meta information, the clean image and the result.

    Meta information: ``img_path`` and ``gt_path``, ``name`` (the image's path relative to its data root), ``ori_shape``
    (height and width of the loaded image), ``sample_idx``.

    Attributes:
        gt_img: clean image, (3, H, W): BGR uint8 as packed, RGB float in [0, 1] after the data preprocessor.
        pred_img: derained image, (3, H, W), RGB float, neither clamped to [0, 1] nor rounded.
    """

    @property
    def gt_img(self) -> Tensor:
        """Return the clean image."""
        return self._gt_img

    @gt_img.setter
    def gt_img(self, value: Tensor) -> None:
        self.set_field(value, '_gt_img', dtype=Tensor)

    @gt_img.deleter
    def gt_img(self) -> None:
        del self._gt_img

    @property
    def pred_img(self) -> Tensor:
        """Return the derained image."""
        return self._pred_img

    @pred_img.setter
    def pred_img(self, value: Tensor) -> None:
        self.set_field(value, '_pred_img', dtype=Tensor)

    @pred_img.deleter
    def pred_img(self) -> None:
        del self._pred_img
