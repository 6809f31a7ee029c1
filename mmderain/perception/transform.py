"""The transform that derains images in pipelines of other libraries."""

from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch.utils.data import get_worker_info

from mmderain.errors import InputError
from mmderain.models import Derainer
from mmderain.registry import TRANSFORMS

from .derain import build_derainer, derain_levels


@TRANSFORMS.register_module()
class Derain(BaseTransform):
    """Derain ``img`` in a pipeline of mmdet, mmseg or mmcv.

    Put this transform right after the one that loads the image. There the image has its native resolution, so that the
    streaks have the scale that the derainer was trained for, and test-time augmentation, which comes later, derains
    only once.

    Args:
        derainer: a bundled name such as ``'sian'``, the path of a config, or ``dict(config=..., checkpoint=...)``; see
            :func:`~mmderain.perception.derain.parse_derainer`.
        device: ``'cpu'``, or a GPU such as ``'cuda:0'``. A GPU works only in the main process (``num_workers=0``).
        min_change: leave an image unchanged if the derainer would change it by less than this; mean absolute change in
            levels of 255. None derains all images.
        precision: ``'bf16'``, ``'fp16'`` or ``'auto'`` for speed, see :class:`~mmderain.models.Derainer`; None takes
            the config's.

    Raises:
        FileNotFoundError, InputError: when built: the config or the checkpoint is missing, or they do not fit each
            other. When called: the image is not 8-bit BGR, or a loader process would have to use a GPU.
    """

    def __init__(
        self,
        derainer: str | Path | dict,
        device: str = 'cpu',
        min_change: float | None = None,
        precision: str | None = None,
    ) -> None:
        self.derainer = derainer
        self.device = device
        self.min_change = min_change
        self.precision = precision
        # Build on the CPU even for a GPU: a process that has used CUDA cannot fork its loader processes.
        self._model: Derainer | None = build_derainer(derainer, precision=precision)

    def __getstate__(self) -> dict:
        """Leave the network out of the pickle; a worker builds it again."""
        return {**self.__dict__, '_model': None}

    def _load_model(self) -> Derainer:
        """Return the derainer on its device, built again after unpickling."""
        if get_worker_info() is not None and not str(self.device).startswith('cpu'):
            raise InputError(
                f'mmderain.Derain: device={self.device!r} in a loader process, where a GPU cannot be used; set '
                "num_workers=0 (and persistent_workers=False), device='cpu', or use mmderain.DerainBeforeTask, which "
                'runs on the device of the model'
            )
        if self._model is None:
            self._model = build_derainer(self.derainer, precision=self.precision)
        return self._model.to(self.device)

    def transform(self, results: dict) -> dict:
        """Derain one image.

        Args:
            results: with ``img``, (H, W, 3) BGR, whole numbers from 0 to 255 of any dtype.

        Returns:
            The same dict; ``img`` is derained and has its shape and dtype as before.
        """
        img = results['img']
        levels = img if img.dtype == np.uint8 else np.rint(img).clip(0, 255).astype(np.uint8)
        if img.ndim != 3 or img.shape[2] != 3 or not np.array_equal(img, levels):
            raise InputError(
                f'mmderain.Derain: {results.get("img_path", "the image")} is {img.dtype} {img.shape}; expected BGR '
                '(H, W, 3) of whole numbers from 0 to 255, as loaded: put Derain right after the loading transform'
            )
        model = self._load_model()
        batch = torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].to(self.device).float()
        with torch.inference_mode():
            derained = derain_levels(model, batch, self.min_change)[0]
        # Some pipelines load float32 images, and later transforms expect this dtype again.
        results['img'] = np.ascontiguousarray(derained.cpu().numpy().transpose(1, 2, 0)).astype(img.dtype)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(derainer={self.derainer!r}, device={self.device!r}, '
            f'min_change={self.min_change}, precision={self.precision!r})'
        )
