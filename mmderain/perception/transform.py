"""A transform that derains images in pipelines of mmdet, mmseg and mmcv."""

from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch.utils.data import get_worker_info

from mmderain.errors import InputError
from mmderain.models import Derainer
from mmderain.registry import TRANSFORMS

from .derain import build_derainer, derain_levels, kept_images


@TRANSFORMS.register_module()
class Derain(BaseTransform):
    """Derain ``img`` in a pipeline of mmdet, mmseg or mmcv.

    Put this transform directly after the transform that loads the image. At this position the image has its native
    resolution. Therefore the rain streaks have the scale for which the derainer was trained. If test-time augmentation
    comes later in the pipeline, each image is derained only once.

    Args:
        derainer: the name of a bundled model such as ``'sian'``, the path of a config, or ``dict(config=...,
            checkpoint=...)``; see :func:`~mmderain.perception.derain.parse_derainer`.
        device: ``'cpu'`` (the default), or a GPU such as ``'cuda:0'``. A GPU works only in the main process
            (``num_workers=0``).
        min_change: threshold for the mean absolute difference between an image and the derained image, on the scale
            from 0 to 255. If the difference is smaller, the image is kept unchanged. None derains all images.
        precision: ``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'auto'``, see :class:`~mmderain.models.Derainer`. None uses
            the value of the config.
        on_nonfinite: what to do if the derained image contains NaN or infinite values. ``'error'`` raises an error.
            ``'keep'`` keeps the image unchanged, and writes a warning to the log. The warning contains the number of
            these images so far in this process. Default: ``'error'``.

    Raises:
        FileNotFoundError: the config file or the checkpoint does not exist.
        InputError: an argument is not as expected, no model has this name, the checkpoint does not fit the config, or
            the network has parameters but no checkpoint.
    """

    def __init__(
        self,
        derainer: str | Path | dict,
        device: str = 'cpu',
        min_change: float | None = None,
        precision: str | None = None,
        on_nonfinite: str = 'error',
    ) -> None:
        self.derainer = derainer
        self.device = device
        self.min_change = min_change
        self.precision = precision
        self.kept = kept_images('mmderain.Derain', on_nonfinite)
        # The model is built on the CPU even if `device` is a GPU, because a process that has used CUDA cannot fork its
        # loader processes. The first call moves the model to `device`.
        self._model: Derainer | None = build_derainer(derainer, precision=precision)

    def __getstate__(self) -> dict:
        """Return the state without the derainer. After unpickling, the first call builds the derainer again."""
        return {**self.__dict__, '_model': None}

    def _load_model(self) -> Derainer:
        """Return the derainer on ``device``. If the transform was unpickled, build the derainer again."""
        if get_worker_info() is not None and not str(self.device).startswith('cpu'):
            raise InputError(
                f"mmderain.Derain: device={self.device!r} cannot be used in a loader process. Set device='cpu', or set "
                'num_workers=0 and persistent_workers=False. Or use mmderain.DerainBeforeTask, which derains images on '
                'the device of the detector or segmentor.'
            )
        if self._model is None:
            self._model = build_derainer(self.derainer, precision=self.precision)
        return self._model.to(self.device)

    def transform(self, results: dict) -> dict:
        """Derain one image.

        Args:
            results: dict whose entry ``img`` is the image, (H, W, 3) BGR of any dtype. The values must be whole numbers
                from 0 to 255.

        Returns:
            The same dict. Its entry ``img`` is now the derained image, with unchanged shape and dtype.

        Raises:
            InputError: ``results`` contains no image, the image has another shape or other values, or ``device`` is a
                GPU and the transform runs in a loader process.
            NonFiniteError: the derained image is not finite, and ``on_nonfinite`` is ``'error'``.
        """
        if 'img' not in results:
            raise InputError(
                'mmderain.Derain: no image is loaded yet; put mmderain.Derain after LoadImageFromFile in the pipeline'
            )
        img = results['img']
        levels = _whole_levels(img)
        if levels is None:
            found = f'{img.dtype} of shape {img.shape}' if isinstance(img, np.ndarray) else f'a {type(img).__name__}'
            raise InputError(
                f'mmderain.Derain: {results.get("img_path", "the image")}: found {found}; expected a BGR image '
                '(H, W, 3) with whole numbers from 0 to 255. Put mmderain.Derain directly after LoadImageFromFile.'
            )
        model = self._load_model()
        batch = torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].to(self.device).float()
        with torch.inference_mode():
            name = str(results.get('img_path', 'the image'))
            derained = derain_levels(model, batch, self.min_change, [name], self.kept)[0]
        # Some pipelines load images as float32, and their later transforms expect this dtype.
        results['img'] = np.ascontiguousarray(derained.cpu().numpy().transpose(1, 2, 0)).astype(img.dtype)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(derainer={self.derainer!r}, device={self.device!r}, '
            f'min_change={self.min_change}, precision={self.precision!r}, '
            f'on_nonfinite={"keep" if self.kept else "error"!r})'
        )


def _whole_levels(img: object) -> np.ndarray | None:
    """Return a BGR image (H, W, 3) with whole numbers from 0 to 255 as uint8. Return None for any other object."""
    if not isinstance(img, np.ndarray) or img.dtype.kind not in 'iuf' or img.ndim != 3 or img.shape[2] != 3:
        return None
    if img.dtype == np.uint8 or img.size == 0:
        return img if img.size else None
    if not np.isfinite(img).all():
        return None
    levels = np.rint(img).clip(0, 255).astype(np.uint8)
    return levels if np.array_equal(img, levels) else None
