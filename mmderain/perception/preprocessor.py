"""The data preprocessor that derains ahead of a task model."""

from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor

from mmderain.models import Derainer
from mmderain.registry import MODELS

from .derain import build_derainer, derain_levels


@MODELS.register_module()
class DerainBeforeTask(BaseDataPreprocessor):
    """Derain batches on the task model's device, then apply the task model's own preprocessor.

    In the config of a detector or segmentor it takes the place of that preprocessor::

        data_preprocessor=dict(
            type='mmderain.DerainBeforeTask',
            derainer='sian',
            wrapped=dict(type='DetDataPreprocessor', ...),
        )

    The raw images are derained. The wrapped preprocessor then normalizes and pads them.

    Args:
        derainer: a bundled name such as ``'sian'``, the path of a config, or ``dict(config=..., checkpoint=...)``; see
            :func:`~mmderain.perception.derain.parse_derainer`. Its weights are loaded at once.
        wrapped: config of the task model's own preprocessor.
        freeze: True keeps the derainer as it was loaded: it is always in ``eval()`` mode, and neither in the optimizer
            nor in checkpoints. False makes it part of the model, trained by the task's loss and saved with it.
        min_change: as for :class:`~mmderain.perception.Derain`.
        precision: as for :class:`~mmderain.perception.Derain`.

    Attributes:
        derained: derained images of the last training batch if the derainer is trained, else None. A list of
            (3, H, W) BGR, 0 to 255, with gradients.

    Raises:
        FileNotFoundError, InputError: the config or the checkpoint is missing, or they do not fit each other.
    """

    def __init__(
        self,
        derainer: str | Path | dict,
        wrapped: dict,
        freeze: bool = True,
        min_change: float | None = None,
        precision: str | None = None,
    ) -> None:
        super().__init__()
        model = build_derainer(derainer, precision=precision)
        self.freeze = freeze
        self.min_change = min_change
        if freeze and model.precision is None:
            model.precision = 'fp32'  # as in testing, even if the task model trains under autocast
        # A frozen derainer is in a list and thus not a submodule: it is not in the optimizer or in checkpoints, and
        # train() does not change it.
        self._frozen: list[Derainer] = [model.requires_grad_(False)] if freeze else []
        if not freeze:
            self.derainer = model
        self.wrapped = ROOT_MODELS.build(wrapped)
        self.derained: list[Tensor] | None = None

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the wrapped preprocessor, such as its mean, for code that expects it here."""
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
            data: with ``inputs``: a list of (3, H, W) BGR tensors of any sizes, or one tensor (N, 3, H, W); 0 to 255.
            training: as for the wrapped preprocessor.

        Returns:
            The result of the wrapped preprocessor for the derained images.
        """
        data = self.cast_data(data)
        model = self.model()
        images: list[Tensor] = list(data['inputs'])
        learning = training and not self.freeze
        with torch.set_grad_enabled(learning and torch.is_grad_enabled()):
            derained = list(images)
            # Images of the same size go through the network as one batch.
            for shape in dict.fromkeys(tuple(img.shape) for img in images):
                indices = [i for i, img in enumerate(images) if tuple(img.shape) == shape]
                batch = torch.stack([images[i] for i in indices]).float()
                for i, img in zip(indices, derain_levels(model, batch, self.min_change), strict=True):
                    derained[i] = img
        self.derained = derained if learning else None
        inputs = torch.stack(derained) if isinstance(data['inputs'], Tensor) else derained
        return self.wrapped({**data, 'inputs': inputs}, training)
