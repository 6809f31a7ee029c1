"""The data preprocessor of deraining models."""

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmderain.errors import InputError
from mmderain.registry import MODELS


@MODELS.register_module()
class DerainDataPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device, and convert its images from BGR in 0..255 to RGB float32 in [0, 1].

    The channel order of the network, the mean and the standard deviation are not applied here.
    :class:`~mmderain.models.Derainer` applies them.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Convert a batch.

        Args:
            data: dict with two keys. ``inputs`` is a list of tensors (3, H, W) or one tensor (N, 3, H, W), BGR in
                0..255. ``data_samples`` is None or a list of :class:`~mmderain.structures.DerainDataSample`. The
                ``gt_img`` of a data sample is (3, H, W), BGR in 0..255.
            training: not used; mmengine passes it.

        Returns:
            A dict with the same keys. ``inputs`` is one tensor (N, 3, H, W), and each ``gt_img`` is (3, H, W). All are
            RGB float32 in [0, 1].

        Raises:
            InputError: the images of the batch differ in size.
        """
        data = self.cast_data(data)
        inputs, samples = data['inputs'], data.get('data_samples')
        shapes = {tuple(img.shape) for img in inputs}
        if len(shapes) > 1:
            raise InputError(
                f'the images of one batch differ in size: {sorted(shapes)}; '
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
