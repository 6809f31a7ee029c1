"""Run mmdet's detectors and mmseg's segmentors on single images."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, VISUALIZERS, DefaultScope
from mmengine.structures import BaseDataElement

from mmderain.apis.model import require_device
from mmderain.errors import InputError
from mmderain.hub import find_task_model
from mmderain.io import read_checkpoint
from mmderain.io.checkpoint import require_weights
from mmderain.io.config import config_errors
from mmderain.models.weights import rename_old_keys

from .drawing import draw_data_sample, score_threshold


class TaskInferencer:
    """A detector or segmentor of mmdet or mmseg that runs on single images.

    Args:
        config: a loaded config of mmdet or mmseg. If the test pipeline or the model of the config contains a derainer,
            the inferencer derains each image.
        checkpoint: file of the weights.
        device: device of the model, such as ``'cpu'`` or ``'cuda:0'``.

    Attributes:
        kind: ``'detector'`` or ``'segmentor'``.
        classes: names of the classes, in the order of the labels.
        score_threshold: boxes with a lower score are neither drawn nor counted. The value is
            ``default_hooks.visualization.score_thr`` of the config, or 0.3 if the config has no such entry.

    Raises:
        FileNotFoundError: the checkpoint file does not exist.
        InputError: the config is neither one of mmdet nor one of mmseg, or the checkpoint does not fit the config. Also
            raised if mmdet or mmseg cannot be imported, or if the machine does not have the device ``device``.
    """

    def __init__(self, config: Config, checkpoint: str | Path, device: str = 'cpu') -> None:
        self._scope = config.get('default_scope')
        if self._scope not in ('mmdet', 'mmseg'):
            raise InputError(f"{config.filename}: found default_scope {self._scope!r}; expected 'mmdet' or 'mmseg'")
        self.kind = 'detector' if self._scope == 'mmdet' else 'segmentor'
        if not Path(checkpoint).is_file():
            raise FileNotFoundError(f'{checkpoint}: no such checkpoint file')
        require_device(device)
        self._infer = _import_inference(self.kind)
        config = copy.deepcopy(config)
        # The checkpoint contains all weights. Therefore the config entries for pretrained weights are removed.
        for part in (config.model, config.model.get('backbone', {})):
            part.update({key: None for key in ('init_cfg', 'pretrained') if part.get(key)})
        with DefaultScope.overwrite_default_scope(self._scope), config_errors(config.filename):
            self.model = MODELS.build(config.model)
            with DATASETS.switch_scope_and_registry(self._scope) as datasets:
                meta = dict(datasets.get(_test_dataset(config).type).METAINFO)
            visualizer = {**config.visualizer, 'name': f'mmderain{id(self)}', 'vis_backends': None, 'save_dir': None}
            self._visualizer = VISUALIZERS.build(visualizer)
        meta.update(_test_dataset(config).get('metainfo', {}))
        self.classes = tuple(meta['classes'])
        load_task_weights(self.model, checkpoint, config.filename)
        self.model.cfg, self.model.dataset_meta = config, meta
        self._visualizer.dataset_meta = meta
        self.model.to(device).eval()
        self.score_threshold = score_threshold(config)

    def __call__(self, img: np.ndarray) -> BaseDataElement:
        """Run the model on an image.

        Args:
            img: (H, W, 3) BGR uint8.

        Returns:
            A data sample of mmdet or mmseg, on the CPU, with ``pred_instances`` or ``pred_sem_seg``.
        """
        with DefaultScope.overwrite_default_scope(self._scope):
            return self._infer(self.model, img).cpu()

    def draw(self, img: np.ndarray, prediction: BaseDataElement) -> np.ndarray:
        """Draw predicted boxes or labels on an image.

        Args:
            img: (H, W, 3) BGR uint8.
            prediction: result of calling the inferencer.

        Returns:
            The image with the drawing, (H, W, 3) BGR uint8. ``img`` is not changed.
        """
        options = dict(pred_score_thr=self.score_threshold) if self.kind == 'detector' else dict(with_labels=False)
        return draw_data_sample(self._visualizer, img, prediction, **options)

    def caption(self, prediction: BaseDataElement) -> str:
        """Describe a prediction in one line.

        Args:
            prediction: result of calling the inferencer.

        Returns:
            For a detector, the number of boxes of each class, and the mean score of all boxes. For a segmentor, the
            three classes that cover the most pixels, each with its share of the pixels in percent.
        """
        if self.kind == 'detector':
            boxes = self._boxes(prediction)
            if not len(boxes):
                return 'nothing found'
            counts = torch.bincount(boxes.labels, minlength=len(self.classes)).tolist()
            named = [f'{n} {name if n == 1 else _plural(name)}' for n, name in zip(counts, self.classes) if n]
            return f'{", ".join(named)}; mean score {boxes.scores.mean():.2f}'
        labels = prediction.pred_sem_seg.data.flatten()
        shares = torch.bincount(labels, minlength=len(self.classes)) / len(labels)
        largest = shares.argsort(descending=True, stable=True)[:3].tolist()
        return ', '.join(f'{self.classes[i]} {100 * shares[i]:.1f}%' for i in largest if shares[i] > 0)

    def agreement(self, prediction: BaseDataElement, reference: BaseDataElement) -> str:
        """Compare a prediction with the prediction for the clean image of the same scene. Describe the result as text.

        Args:
            prediction: prediction for the rainy or the derained image.
            reference: prediction for the clean image.

        Returns:
            For a detector, the number of matched boxes and the number of all boxes of the reference. A box of the
            reference is matched if it has an IoU above 0.5 with a box of the same class in ``prediction``. For a
            segmentor, the mIoU of the two label maps in percent, over the classes that occur in the reference.
        """
        if self.kind == 'detector':
            from torchvision.ops import box_iou

            boxes, reference_boxes = self._boxes(prediction), self._boxes(reference)
            matched = 0
            for label in reference_boxes.labels.unique():
                of_class, reference_of_class = boxes.labels == label, reference_boxes.labels == label
                iou = box_iou(reference_boxes.bboxes[reference_of_class], boxes.bboxes[of_class])
                matched += int((iou > 0.5).any(1).sum())
            return f'{matched} of the clean {len(reference_boxes)}'
        labels, reference_labels = prediction.pred_sem_seg.data, reference.pred_sem_seg.data
        ious = []
        for label in reference_labels.unique():
            mask, reference_mask = labels == label, reference_labels == label
            ious.append((mask & reference_mask).sum() / (mask | reference_mask).sum())
        return f'mIoU with the clean {100 * torch.stack(ious).mean():.1f}'

    def _boxes(self, prediction: BaseDataElement) -> BaseDataElement:
        """Return the boxes whose score is at least ``score_threshold``."""
        return prediction.pred_instances[prediction.pred_instances.scores >= self.score_threshold]


def load_task_model(
    model: str | Path, weights: str | Path | None = None, device: str = 'cpu', kind: str | None = None
) -> TaskInferencer:
    """Load a detector or segmentor by its name or its config.

    Args:
        model: name or path, see :func:`~mmderain.hub.find_task_model`.
        weights: path or URL of a checkpoint. None uses the weights of the named model.
        device: device of the model, such as ``'cpu'`` or ``'cuda:0'``.
        kind: required kind of the model, ``'detector'`` or ``'segmentor'``. None accepts both kinds.

    Returns:
        The inferencer of the model.

    Raises:
        FileNotFoundError: the config file or the checkpoint does not exist.
        InputError: :func:`~mmderain.hub.find_task_model` or :class:`TaskInferencer` raises this error.
    """
    config, checkpoint = find_task_model(model, weights, kind)
    return TaskInferencer(config, checkpoint, device)


def load_task_weights(model: torch.nn.Module, checkpoint: str | Path, config: str) -> None:
    """Load the weights of a task model, and check that the checkpoint contains every parameter.

    If the weights do not fit, mmengine's own loader only writes a warning. The model would then predict like an
    untrained model. The checkpoint may contain additional entries, because published checkpoints contain such entries.

    Args:
        model: a model of mmdet or mmseg.
        checkpoint: file or URL of the weights.
        config: name of the model's config for the error message.

    Raises:
        InputError: a parameter is missing or has another shape, or the file contains no weights.
    """
    weights = rename_old_keys(model, require_weights(read_checkpoint(checkpoint), checkpoint))
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    missing = [name for name, value in model.named_parameters() if shapes.get(name) != tuple(value.shape)]
    if missing:
        raise InputError(
            f'{checkpoint} does not fit {config}: {missing[0]} is missing or has another shape. In total, '
            f'{len(missing)} parameters do not fit. Use a checkpoint that was trained with this config.'
        )
    model.load_state_dict(weights, strict=False)


def _import_inference(kind: str) -> Callable[[torch.nn.Module, np.ndarray], BaseDataElement]:
    """Return the function of mmdet or mmseg that runs a model on an image."""
    try:
        if kind == 'detector':
            from mmdet.apis import inference_detector as infer
        else:
            from mmseg.apis import inference_model as infer
    except ImportError as error:
        raise InputError(
            f'a {kind} needs mmdet, mmseg and an mmcv with compiled operators, but an import failed: {error}. Install '
            'the packages with pip install "mmderain[onedl]" --no-build-isolation. In a git checkout, `make test` '
            'installs them.'
        ) from error
    return infer


def _test_dataset(config: Config) -> Config:
    """Return the config of the test data set, without wrappers such as ``RepeatDataset``."""
    dataset = config.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset


def _plural(name: str) -> str:
    return {'person': 'persons', 'bus': 'buses'}.get(name, name if name.endswith('s') else f'{name}s')
