import torch
from mmengine.hooks import Hook
from mmengine.model import BaseDataPreprocessor, is_model_wrapper
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.runner import Runner
from torch import Tensor

from mmderain.errors import InputError
from mmderain.models import Derainer
from mmderain.registry import HOOKS, MODELS

from .chain import build_derainer, derain_levels


@MODELS.register_module()
class DerainBeforeTask(BaseDataPreprocessor):
    """Derain batches ahead of a detector or segmentor, on its device, then do what its own preprocessor does.

    Stands in a task model's config where its preprocessor stood::

        data_preprocessor=dict(
            type='mmderain.DerainBeforeTask',
            derainer=dict(config='sian.py', checkpoint='sian.pth'),
            wrapped=dict(type='DetDataPreprocessor', ...),
        )

    Raw pixels are derained; the wrapped preprocessor then normalises and pads.

    Args:
        derainer: ``config`` and ``checkpoint``, as :func:`~mmderain.perception.chain.build_derainer`; checked
            and loaded at once.
        wrapped: config of the preprocessor that stood here.
        freeze: True keeps the derainer as it was loaded: out of the optimizer, out of the checkpoints, always in
            ``eval()``. False makes it part of the model, trained by the task's loss and saved with it.
        min_change, precision: as :class:`~mmderain.perception.Derain`.
    """

    def __init__(
        self,
        derainer: dict,
        wrapped: dict,
        freeze: bool = True,
        min_change: float | None = None,
        precision: str | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(derainer, dict) or set(derainer) - {'config', 'checkpoint'} or 'config' not in derainer:
            raise InputError(f'DerainBeforeTask: derainer must be dict(config=..., checkpoint=...), found {derainer!r}')
        built = build_derainer(derainer['config'], derainer.get('checkpoint'), precision=precision)
        self.freeze = freeze
        self.min_change = min_change
        if freeze and built.precision is None:
            built.precision = 'fp32'  # as in testing, though the task model may train under autocast
        # A frozen one is no submodule: neither optimizer, checkpoint nor train() get at it.
        self._frozen = (built.requires_grad_(False),) if freeze else ()
        if not freeze:
            self.derainer = built
        self.wrapped = ROOT_MODELS.build(wrapped)
        self.derained: list[Tensor] | None = None  # of the last training batch, for RestorationLossHook

    def __getattr__(self, name: str) -> object:
        """What code that knows the wrapped preprocessor asks for: its mean, its padding."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == 'wrapped':
                raise
            return getattr(self.wrapped, name)

    def model(self) -> Derainer:
        """The derainer, on the device of the task model."""
        return self._frozen[0].to(self.device) if self.freeze else self.derainer

    def forward(self, data: dict, training: bool = False) -> dict:
        """Args:
            data: ``inputs``, a list of (3, H, W) BGR tensors on 0..255 of any sizes, or one (N, 3, H, W).

        Returns:
            What the wrapped preprocessor makes of the derained pictures.
        """
        data = self.cast_data(data)
        derainer = self.model()
        inputs = list(data['inputs'])
        learning = training and not self.freeze
        with torch.set_grad_enabled(learning and torch.is_grad_enabled()):
            derained: list[Tensor | None] = [None] * len(inputs)
            # Pictures of one size go through the network together.
            for shape in dict.fromkeys(tuple(img.shape) for img in inputs):
                which = [i for i, img in enumerate(inputs) if tuple(img.shape) == shape]
                batch = torch.stack([inputs[i] for i in which]).float()
                for i, img in zip(which, derain_levels(derainer, batch, self.min_change), strict=True):
                    derained[i] = img
        self.derained = derained if learning else None
        together = torch.stack(derained) if isinstance(data['inputs'], Tensor) else derained
        return self.wrapped({**data, 'inputs': together}, training)


@HOOKS.register_module()
class RestorationLossHook(Hook):
    """Joint fine-tuning with the clean picture known: add a restoration loss to the task's losses.

    Needs ``DerainBeforeTask(freeze=False)`` and the clean picture as meta information ``gt_img`` of each data sample:
    draw the rain by ``mmderain.SynthesizeRain`` as the last transform before packing, after every geometric one, and
    add ``'gt_img'`` to the packing's ``meta_keys``.

    Args:
        weight: of the mean absolute difference on [0, 1], logged as ``loss_restoration``.
    """

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def before_train(self, runner: Runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        preprocessor = model.data_preprocessor
        if not isinstance(preprocessor, DerainBeforeTask) or preprocessor.freeze:
            raise InputError('RestorationLossHook needs a model with data_preprocessor DerainBeforeTask(freeze=False)')
        task_loss = model.loss

        def loss(inputs: Tensor, data_samples: list, **kwargs) -> dict:
            losses = task_loss(inputs, data_samples, **kwargs)
            losses['loss_restoration'] = self.weight * restoration_loss(preprocessor.derained, data_samples)
            return losses

        # An attribute of the instance comes before the class's method; nothing is saved of it.
        model.loss = loss


def restoration_loss(derained: list[Tensor], data_samples: list) -> Tensor:
    """Mean absolute difference from the clean pictures, on [0, 1].

    Raises:
        InputError: a data sample has no clean picture, or one of another size.
    """
    losses = []
    for img, sample in zip(derained, data_samples, strict=True):
        gt = sample.metainfo.get('gt_img')
        if gt is None or gt.shape[:2] != tuple(img.shape[-2:]):
            found = 'none' if gt is None else f'{gt.shape[0]}x{gt.shape[1]}'
            raise InputError(
                f'RestorationLossHook: {sample.metainfo.get("img_path")} is {img.shape[-2]}x{img.shape[-1]}, its clean '
                f"picture: {found}. Put mmderain.SynthesizeRain last before packing and 'gt_img' into its meta_keys."
            )
        clean = torch.from_numpy(gt.transpose(2, 0, 1).copy()).to(img)
        losses.append((img - clean).abs().mean() / 255)
    return sum(losses) / len(losses)
