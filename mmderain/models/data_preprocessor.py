import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmderain.errors import InputError
from mmderain.registry import MODELS


@MODELS.register_module()
class DerainDataPreprocessor(BaseDataPreprocessor):
    """Moves a batch to the device and turns BGR 0..255 into RGB float32 in [0, 1]; nothing more.

    A network's own channel order, mean and standard deviation are the :class:`Derainer`'s business.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Args:
            data: ``inputs``, a list of (3, H, W) BGR tensors or one (N, 3, H, W), on 0..255;
                ``data_samples``, a list of :class:`DerainDataSample`, whose ``gt_img`` is likewise BGR.
            training: unused, mmengine's signature.

        Returns:
            The same keys: ``inputs`` (N, 3, H, W) and each ``gt_img`` (3, H, W), RGB in [0, 1].

        Raises:
            InputError: the pictures of the batch differ in size.
        """
        data = self.cast_data(data)
        inputs, samples = data['inputs'], data.get('data_samples')
        shapes = {tuple(img.shape) for img in inputs}
        if len(shapes) > 1:
            raise InputError(
                f'the pictures of one batch differ in size: {sorted(shapes)}; '
                'crop them to one size in the pipeline, or test with batch_size=1'
            )
        for sample in samples or ():
            if 'gt_img' in sample:
                sample.gt_img = self._to_rgb(sample.gt_img)
        batch = inputs if isinstance(inputs, Tensor) else torch.stack(list(inputs))
        return dict(inputs=self._to_rgb(batch), data_samples=samples)

    @staticmethod
    def _to_rgb(img: Tensor) -> Tensor:
        return img.flip(-3).float() / 255
