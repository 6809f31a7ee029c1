"""Run mmdet's detectors and mmseg's segmentors on single images."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DATASETS, MODELS, VISUALIZERS, DefaultScope
from mmengine.runner import load_checkpoint
from mmengine.structures import BaseDataElement
from mmengine.visualization import Visualizer

from mmderain.apis.model import require_device
from mmderain.errors import InputError, did_you_mean
from mmderain.hub import bundled_models
from mmderain.io.config import config_errors, read_config
from mmderain.models.weights import rename_old_keys


class TaskInferencer:
    """A detector or segmentor with its weights, for single images.

    Args:
        config: a loaded config of mmdet or mmseg. If it has a derainer in its pipeline or its model, that derainer
            is part of the inferencer.
        checkpoint: file or URL of the weights.
        device: ``'cpu'``, ``'cuda:0'`` and so on.

    Attributes:
        kind: ``'detector'`` or ``'segmentor'``.
        classes: names of the classes, in the order of the labels.
        score_threshold: boxes with a lower score are neither drawn nor counted; as :func:`score_threshold`.

    Raises:
        FileNotFoundError: the checkpoint is missing.
        InputError: the checkpoint does not fit the config, or the config is of another library.
    """

    def __init__(self, config: Config, checkpoint: str | Path, device: str = 'cpu') -> None:
        self._scope = config.get('default_scope')
        if self._scope not in ('mmdet', 'mmseg'):
            raise InputError(f"{config.filename}: found default_scope {self._scope!r}; expected 'mmdet' or 'mmseg'")
        self.kind = 'detector' if self._scope == 'mmdet' else 'segmentor'
        if not str(checkpoint).startswith(('http://', 'https://')) and not Path(checkpoint).is_file():
            raise FileNotFoundError(f'{checkpoint}: no such checkpoint file')
        require_device(device)
        self._infer = _import_inference(self.kind)
        config = copy.deepcopy(config)
        for part in (config.model, config.model.get('backbone', {})):  # do not load weights to start a training from
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
        """Detect or segment what is in an image.

        Args:
            img: (H, W, 3) BGR uint8.

        Returns:
            The data sample of mmdet or mmseg, on the CPU, with ``pred_instances`` or ``pred_sem_seg``.
        """
        with DefaultScope.overwrite_default_scope(self._scope):
            return self._infer(self.model, img).cpu()

    def draw(self, img: np.ndarray, found: BaseDataElement) -> np.ndarray:
        """Draw boxes or labels on an image.

        Args:
            img: (H, W, 3) BGR uint8.
            found: result of calling the inferencer.

        Returns:
            (H, W, 3) BGR uint8, a copy.
        """
        options = dict(pred_score_thr=self.score_threshold) if self.kind == 'detector' else dict(with_labels=False)
        return draw_data_sample(self._visualizer, img, found, **options)

    def caption(self, found: BaseDataElement) -> str:
        """Describe a result: counts and scores of boxes, or the largest shares of the image that classes cover."""
        if self.kind == 'detector':
            certain = self._certain(found)
            if not len(certain):
                return 'nothing found'
            counts = torch.bincount(certain.labels, minlength=len(self.classes)).tolist()
            named = [f'{n} {name if n == 1 else _plural(name)}' for n, name in zip(counts, self.classes) if n]
            return f'{", ".join(named)}; mean score {certain.scores.mean():.2f}'
        labels = found.pred_sem_seg.data.flatten()
        shares = torch.bincount(labels, minlength=len(self.classes)) / len(labels)
        largest = shares.argsort(descending=True, stable=True)[:3].tolist()
        return ', '.join(f'{self.classes[i]} {100 * shares[i]:.1f}%' for i in largest if shares[i] > 0)

    def agreement(self, found: BaseDataElement, reference: BaseDataElement) -> str:
        """Describe how much of the result for one image is in the result for another image of the same scene.

        Args:
            found: result for one image.
            reference: result for the other image, usually the clean one.

        Returns:
            For boxes, how many of the reference's boxes overlap with a found box of the same class by an IoU above
            0.5. For labels, the IoU of the label maps, mean over the classes of the reference.
        """
        if self.kind == 'detector':
            from torchvision.ops import box_iou

            ours, theirs = self._certain(found), self._certain(reference)
            matched = 0
            for label in theirs.labels.unique():
                overlap = box_iou(theirs.bboxes[theirs.labels == label], ours.bboxes[ours.labels == label])
                matched += int((overlap > 0.5).any(1).sum())
            return f'{matched} of the clean {len(theirs)}'
        ours, theirs = found.pred_sem_seg.data, reference.pred_sem_seg.data
        overlaps = [
            ((ours == label) & (theirs == label)).sum() / ((ours == label) | (theirs == label)).sum()
            for label in theirs.unique()
        ]
        return f'mIoU with the clean {100 * torch.stack(overlaps).mean():.1f}'

    def _certain(self, found: BaseDataElement) -> BaseDataElement:
        """Return the boxes whose score reaches the threshold."""
        return found.pred_instances[found.pred_instances.scores >= self.score_threshold]


def load_task_model(model: str | Path, weights: str | Path | None = None, device: str = 'cpu') -> TaskInferencer:
    """Load a detector or segmentor by name.

    Args:
        model: a name of :func:`~mmderain.hub.bundled_models`, a config of a package such as
            ``'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py'``, or a config file.
        weights: a checkpoint; None takes the bundled one, if there is one.
        device: ``'cpu'``, ``'cuda:0'`` and so on.

    Raises:
        FileNotFoundError, InputError: the config or checkpoint is missing, or they do not fit each other.
    """
    name = str(model)
    bundled = {key: entry for key, entry in bundled_models().items() if entry.kind != 'derainer'}
    if name in bundled_models() and name not in bundled:
        raise InputError(f'{name}: is a derainer; expected a detector or segmentor')
    if name in bundled:
        config, weights = get_config(f'mmderain::{bundled[name].config}'), weights or bundled[name].weights()
    elif '::' in name:
        config = get_config(name)
    elif Path(model).is_file():
        config = read_config(model)
    elif Path(model).suffix:
        raise FileNotFoundError(f'{model}: no such config file (looked for in {Path.cwd()})')
    else:
        raise InputError(
            f'no detector or segmentor is called {name!r}{did_you_mean(name, bundled) or "."} `mmderain models` lists '
            'them; the path of a config file is accepted'
        )
    if weights is None:
        raise InputError(f'{name}: no checkpoint is named and none is bundled; name one (weights, --task-weights)')
    return TaskInferencer(config, weights, device)


def load_task_weights(model: torch.nn.Module, checkpoint: str | Path, config: str) -> None:
    """Load the weights of a task model and check that every parameter was in the checkpoint.

    mmengine only warns if weights do not fit, and all results would be those of an untrained model. Entries of the
    checkpoint that the model does not have are accepted, because published checkpoints contain some.

    Args:
        model: a model of mmdet or mmseg.
        checkpoint: file or URL of the weights.
        config: name of the model's config, for the error message.

    Raises:
        InputError: a parameter is missing or has another shape.
    """
    content = load_checkpoint(model, str(checkpoint), map_location='cpu', logger='silent')
    weights = content.get('state_dict', content)
    weights = rename_old_keys(model, {name.removeprefix('module.'): value for name, value in weights.items()})
    found = {name: tuple(value.shape) for name, value in weights.items()}
    missing = [name for name, value in model.named_parameters() if found.get(name) != tuple(value.shape)]
    if missing:
        raise InputError(
            f'{checkpoint} does not fit {config}: {missing[0]} is missing or has another shape, '
            f'{len(missing)} parameters in all; is it a checkpoint of this model?'
        )


def score_threshold(config: Config) -> float:
    """Return the score below which boxes are not drawn: ``default_hooks.visualization.score_thr``, by default 0.3."""
    return config.get('default_hooks', {}).get('visualization', {}).get('score_thr', 0.3)


def draw_data_sample(
    visualizer: Visualizer, img: np.ndarray, sample: BaseDataElement, draw_gt: bool = False, **options: Any
) -> np.ndarray:
    """Draw the prediction or the truth of a data sample with the visualizer of its library.

    Args:
        visualizer: of mmdet or mmseg, without back ends.
        img: (H, W, 3) BGR uint8.
        sample: data sample of mmdet or mmseg.
        draw_gt: draw the truth and not the prediction.
        options: further arguments of the visualizer's ``add_datasample``.

    Returns:
        A copy, (H, W, 3) BGR uint8.
    """
    rgb = np.ascontiguousarray(img[..., ::-1])
    visualizer.add_datasample('image', rgb, sample, draw_gt=draw_gt, draw_pred=not draw_gt, **options)
    return np.ascontiguousarray(visualizer.get_image()[..., ::-1])


def _import_inference(kind: str) -> Callable[[torch.nn.Module, np.ndarray], BaseDataElement]:
    """Return the function of mmdet or mmseg that runs a model on an image."""
    try:
        if kind == 'detector':
            from mmdet.apis import inference_detector as infer
        else:
            from mmseg.apis import inference_model as infer
    except ImportError as error:
        raise InputError(
            f'a {kind} needs mmdet, mmseg and an mmcv with its operators, which do not import here: {error}. '
            '`make test` sets them up in a checkout; elsewhere pip install "mmderain[onedl]" with '
            '--no-build-isolation'
        ) from error
    return infer


def _test_dataset(config: Config) -> Config:
    """Return the config of the test set without its wrappers."""
    dataset = config.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset


def _plural(name: str) -> str:
    return {'person': 'persons', 'bus': 'buses'}.get(name, name if name.endswith('s') else f'{name}s')
