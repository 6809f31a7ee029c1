"""The data sample of one image."""

from mmengine.structures import BaseDataElement
from torch import Tensor


class DerainDataSample(BaseDataElement):
    """The clean image, the derained image and meta information. The rainy image itself is not included.

    By default, the transform ``PackDerainInputs`` stores this meta information:

    * ``img_path``: path of the rainy image,
    * ``gt_path``: path of the clean image,
    * ``name``: path of the rainy image relative to the folder of rainy images,
    * ``ori_shape``: height and width of the loaded image,
    * ``sample_idx``: index of the image in the data set.

    Attributes:
        gt_img: clean image, (3, H, W). ``PackDerainInputs`` stores it as BGR uint8. The data preprocessor converts it
            to RGB float in [0, 1].
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
