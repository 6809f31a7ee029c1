"""A hook that adds a restoration loss when a derainer and a task model are trained together."""

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
    """Add a restoration loss to the losses of the task.

    Use this hook to train a derainer and a task model together, if the clean images are known.

    The data preprocessor of the model must be ``DerainBeforeTask(freeze=False)``, and each data sample must contain the
    clean image as meta information ``gt_img``. To provide the clean images, put ``mmderain.SynthesizeRain`` after all
    geometric transforms and directly before the packing transform. Also add ``'gt_img'`` to the ``meta_keys`` of the
    packing transform.

    A forward hook of PyTorch on the task model adds the loss. It works with every model that returns a dict of losses,
    and does not change the structure of the model and of the checkpoints. The loss is scaled, accumulated and logged
    like the losses of the task, because the forward hook runs inside ``DistributedDataParallel`` and autocast.

    Args:
        weight: factor by which :func:`restoration_loss` is multiplied. The product is logged as ``loss_restoration``.
            Default: 1.0.
    """

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def before_train(self, runner: Runner) -> None:
        """Register the PyTorch forward hook that adds the loss.

        Raises:
            InputError: the data preprocessor of the model is not ``DerainBeforeTask(freeze=False)``.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        _trained_preprocessor(model)
        self._handle = model.register_forward_hook(self._add_loss, with_kwargs=True)

    def after_train(self, runner: Runner) -> None:
        """Remove the PyTorch forward hook."""
        self._handle.remove()

    def _add_loss(self, model: nn.Module, args: tuple, kwargs: dict, output: dict) -> dict | None:
        """Add the restoration loss to the output of the model in the mode ``'loss'``.

        Returns:
            The output with the added loss. In all other modes, None, which tells PyTorch to keep the output.
        """
        if kwargs.get('mode') != 'loss':
            return None
        data_samples = kwargs['data_samples'] if 'data_samples' in kwargs else args[1]
        loss = restoration_loss(_trained_preprocessor(model).derained or [], data_samples)
        return {**output, 'loss_restoration': self.weight * loss}


def _trained_preprocessor(model: nn.Module) -> DerainBeforeTask:
    """Return the data preprocessor of a task model, and check that the preprocessor trains a derainer.

    Raises:
        InputError: the data preprocessor of the model is not ``DerainBeforeTask(freeze=False)``.
    """
    preprocessor = model.data_preprocessor
    if not isinstance(preprocessor, DerainBeforeTask) or preprocessor.freeze:
        raise InputError(
            'RestorationLossHook needs a model with data_preprocessor DerainBeforeTask(freeze=False); change '
            'data_preprocessor in the config'
        )
    return preprocessor


def restoration_loss(derained: list[Tensor], data_samples: list) -> Tensor:
    """Compute the mean absolute difference between derained and clean images.

    Args:
        derained: list of N derained images (3, H, W), BGR, 0 to 255.
        data_samples: list of N data samples of mmdet or mmseg. The meta information ``gt_img`` is the clean image,
            (H, W, 3) BGR uint8.

    Returns:
        A scalar from 0 to 1: the mean absolute difference divided by 255, averaged over the images.

    Raises:
        InputError: a data sample has no clean image, or the clean image and the derained image differ in size.
    """
    losses: list[Tensor] = []
    for img, sample in zip(derained, data_samples, strict=True):
        gt_img = sample.metainfo.get('gt_img')
        if gt_img is None or gt_img.shape[:2] != tuple(img.shape[-2:]):
            clean_size = 'is missing' if gt_img is None else f'has size {gt_img.shape[0]}x{gt_img.shape[1]}'
            raise InputError(
                f'RestorationLossHook: {sample.metainfo.get("img_path")}: the derained image has size '
                f'{img.shape[-2]}x{img.shape[-1]} (height x width), but the clean image {clean_size}. Put '
                "mmderain.SynthesizeRain directly before the packing transform, and add 'gt_img' to the meta_keys of "
                'the packing transform.'
            )
        clean = torch.from_numpy(gt_img.transpose(2, 0, 1).copy()).to(img)
        losses.append((img - clean).abs().mean() / 255)
    return torch.stack(losses).mean()
