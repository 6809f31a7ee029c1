"""The hook that adds a restoration loss to joint fine-tuning."""

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from mmderain.errors import InputError
from mmderain.registry import HOOKS

from .preprocessor import DerainBeforeTask


@HOOKS.register_module()
class RestorationLossHook(Hook):
    """Add a restoration loss to the task's losses, for joint fine-tuning where the clean image is known.

    The model needs ``DerainBeforeTask(freeze=False)``, and each data sample the clean image as meta information
    ``gt_img``: put ``mmderain.SynthesizeRain`` last before packing, after every geometric transform, and add
    ``'gt_img'`` to the ``meta_keys`` of the packing transform.

    The loss is added by a forward hook of PyTorch on the task model. Thus it works with every model that returns a dict
    of losses, the model and its checkpoints keep their structure, and the loss is scaled, accumulated and logged as
    the task's own: the forward pass runs inside of ``DistributedDataParallel`` and of autocast.

    Args:
        weight: factor of the mean absolute difference on [0, 1], logged as ``loss_restoration``.
    """

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def before_train(self, runner: Runner) -> None:
        """Register the forward hook.

        Raises:
            InputError: the model has no ``DerainBeforeTask(freeze=False)``.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        _learning_derainer(model)
        self._handle = model.register_forward_hook(self._add_loss, with_kwargs=True)

    def after_train(self, runner: Runner) -> None:
        """Remove the forward hook."""
        self._handle.remove()

    def _add_loss(self, model: nn.Module, args: tuple, kwargs: dict, output: dict) -> dict | None:
        """Return the losses of one forward pass with the restoration loss; None, no change, in other modes."""
        if kwargs.get('mode') != 'loss':
            return None
        data_samples = kwargs['data_samples'] if 'data_samples' in kwargs else args[1]
        loss = restoration_loss(_learning_derainer(model).derained or [], data_samples)
        return {**output, 'loss_restoration': self.weight * loss}


def _learning_derainer(model: nn.Module) -> DerainBeforeTask:
    """Return the preprocessor of a task model with its derainer.

    Raises:
        InputError: the model has no ``DerainBeforeTask(freeze=False)``.
    """
    preprocessor = model.data_preprocessor
    if not isinstance(preprocessor, DerainBeforeTask) or preprocessor.freeze:
        raise InputError('RestorationLossHook needs a model with data_preprocessor DerainBeforeTask(freeze=False)')
    return preprocessor


def restoration_loss(derained: list[Tensor], data_samples: list) -> Tensor:
    """Compute the mean absolute difference of derained and clean images.

    Args:
        derained: N tensors (3, H, W), BGR, 0 to 255.
        data_samples: N data samples of mmdet or mmseg with the meta information ``gt_img``, (H, W, 3) BGR uint8.

    Returns:
        A scalar on [0, 1]: the mean over images of each image's mean.

    Raises:
        InputError: a data sample has no clean image, or one of another size.
    """
    losses: list[Tensor] = []
    for img, sample in zip(derained, data_samples, strict=True):
        gt_img = sample.metainfo.get('gt_img')
        if gt_img is None or gt_img.shape[:2] != tuple(img.shape[-2:]):
            found = 'none' if gt_img is None else f'{gt_img.shape[0]}x{gt_img.shape[1]}'
            raise InputError(
                f'RestorationLossHook: {sample.metainfo.get("img_path")} is {img.shape[-2]}x{img.shape[-1]}, its clean '
                f"image: {found}. Put mmderain.SynthesizeRain last before packing and 'gt_img' into its meta_keys."
            )
        clean = torch.from_numpy(gt_img.transpose(2, 0, 1).copy()).to(img)
        losses.append((img - clean).abs().mean() / 255)
    return torch.stack(losses).mean()
