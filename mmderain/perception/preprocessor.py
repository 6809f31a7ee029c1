"""A data preprocessor that derains the input images of a task model (a detector or segmentor)."""

from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor

from mmderain.models import Derainer
from mmderain.registry import MODELS

from .derain import build_derainer, derain_levels, kept_images


@MODELS.register_module()
class DerainBeforeTask(BaseDataPreprocessor):
    """Derain batches on the device of the task model, and then apply the data preprocessor of the task model.

    In the config of a detector or segmentor, this preprocessor replaces the original data preprocessor and wraps it::

        data_preprocessor=dict(
            type='mmderain.DerainBeforeTask',
            derainer='sian',
            wrapped=dict(type='DetDataPreprocessor', ...),
        )

    First, the images from the pipeline are derained. Then the wrapped preprocessor normalizes and pads them.

    Args:
        derainer: the name of a bundled model such as ``'sian'``, the path of a config, or ``dict(config=...,
            checkpoint=...)``; see :func:`~mmderain.perception.derain.parse_derainer`. The constructor loads the weights
            of the derainer.
        wrapped: config of the data preprocessor of the task model.
        freeze: True does not train the derainer. In this case, the derainer is always in ``eval()`` mode, and neither
            the optimizer nor the checkpoints contain its weights. False makes the derainer a part of the task model. In
            this case, the loss of the task trains the derainer, and the checkpoints contain its weights. Default: True.
        min_change: see :class:`~mmderain.perception.Derain`.
        precision: see :class:`~mmderain.perception.Derain`. None uses the precision in the config of the derainer.
            Without a precision in the config, a frozen derainer uses float32, also if the task model runs under
            autocast.
        on_nonfinite: see :class:`~mmderain.perception.Derain`.

    Attributes:
        derained: derained images of the last batch, a list of tensors (3, H, W), BGR, 0 to 255. A loss of these tensors
            can train the derainer. None if the derainer is frozen or if the last batch was not for training.

    Raises:
        FileNotFoundError: the config file or the checkpoint does not exist.
        InputError: an argument is not as expected, no model has this name, the checkpoint does not fit the config, or
            the network has parameters but no checkpoint.
    """

    def __init__(
        self,
        derainer: str | Path | dict,
        wrapped: dict,
        freeze: bool = True,
        min_change: float | None = None,
        precision: str | None = None,
        on_nonfinite: str = 'error',
    ) -> None:
        super().__init__()
        self.kept = kept_images('mmderain.DerainBeforeTask', on_nonfinite)
        model = build_derainer(derainer, precision=precision)
        self.freeze = freeze
        self.min_change = min_change
        if freeze and model.precision is None:
            model.precision = 'fp32'  # the same precision in a training under autocast and in tests without autocast
        # A module in a list is not a submodule. Therefore a frozen derainer is neither in the optimizer nor in
        # checkpoints, and train() does not change its mode.
        self._frozen: list[Derainer] = [model.requires_grad_(False)] if freeze else []
        if not freeze:
            self.derainer = model
        self.wrapped = ROOT_MODELS.build(wrapped)
        self.derained: list[Tensor] | None = None

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the wrapped preprocessor, because mmdet and mmseg read attributes such as ``mean``."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == 'wrapped':
                raise
            return getattr(self.wrapped, name)

    def model(self) -> Derainer:
        """Return the derainer on the device of the task model."""
        return self._frozen[0].to(self.device) if self.freeze else self.derainer

    def forward(self, data: dict, training: bool = False) -> dict:
        """Derain a batch and pass it to the wrapped preprocessor.

        Args:
            data: a dict whose entry ``inputs`` contains the images, BGR, 0 to 255. The images are a list of tensors
                (3, H, W), which may have different sizes, or one tensor (N, 3, H, W). The other entries of the dict are
                passed to the wrapped preprocessor.
            training: whether the batch is for training. The value is also passed to the wrapped preprocessor.

        Returns:
            The result of the wrapped preprocessor for the derained images.

        Raises:
            NonFiniteError: a derained image is not finite, and ``on_nonfinite`` is ``'error'``. The message contains
                the ``img_path`` of its data sample.
        """
        data = self.cast_data(data)
        model = self.model()
        images: list[Tensor] = list(data['inputs'])
        names = _names(data.get('data_samples'), len(images))
        trains_derainer = training and not self.freeze
        with torch.set_grad_enabled(trains_derainer and torch.is_grad_enabled()):
            derained = list(images)
            # Images of the same size go through the network as one batch.
            for shape in dict.fromkeys(tuple(img.shape) for img in images):
                indices = [i for i, img in enumerate(images) if tuple(img.shape) == shape]
                batch = torch.stack([images[i] for i in indices]).float()
                levels = derain_levels(model, batch, self.min_change, [names[i] for i in indices], self.kept)
                for i, img in zip(indices, levels, strict=True):
                    derained[i] = img
        self.derained = derained if trains_derainer else None
        inputs = torch.stack(derained) if isinstance(data['inputs'], Tensor) else derained
        return self.wrapped({**data, 'inputs': inputs}, training)


def _names(data_samples: Any, count: int) -> list[str]:
    """Return the paths of the images of a batch, or their positions in the batch if the paths are not known.

    Args:
        data_samples: the data samples of the batch, or None.
        count: number of images of the batch.
    """
    samples = data_samples if isinstance(data_samples, list) and len(data_samples) == count else [None] * count
    paths = [getattr(sample, 'metainfo', {}).get('img_path') for sample in samples]
    return [str(path or f'image {number} of the batch') for number, path in enumerate(paths)]
