from mmengine.structures import BaseDataElement
from torch import Tensor


class DerainDataSample(BaseDataElement):
    """What belongs to one picture beside the rainy input itself.

    Meta information: ``img_path``, ``gt_path`` (str), ``name`` (the picture's path relative to its data root),
    ``ori_shape`` (height, width), ``sample_idx``.

    Attributes:
        gt_img: the clean truth, (3, H, W). BGR uint8 as packed, RGB float in [0, 1] once preprocessed.
        pred_img: the derained picture, (3, H, W), RGB float in [0, 1], not rounded.
    """

    @property
    def gt_img(self) -> Tensor:
        return self._gt_img

    @gt_img.setter
    def gt_img(self, value: Tensor) -> None:
        self.set_field(value, '_gt_img', dtype=Tensor)

    @gt_img.deleter
    def gt_img(self) -> None:
        del self._gt_img

    @property
    def pred_img(self) -> Tensor:
        return self._pred_img

    @pred_img.setter
    def pred_img(self, value: Tensor) -> None:
        self.set_field(value, '_pred_img', dtype=Tensor)

    @pred_img.deleter
    def pred_img(self) -> None:
        del self._pred_img
