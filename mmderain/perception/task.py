"""mmdet's detectors and mmseg's segmentors, on single pictures."""

import copy
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DATASETS, MODELS, VISUALIZERS, DefaultScope
from mmengine.runner import load_checkpoint

from mmderain.apis.model import require_device
from mmderain.errors import InputError, did_you_mean
from mmderain.hub import bundled_models

#: What the libraries draw and count from unless a config says otherwise.
SCORE_THRESHOLD = 0.3


def load_task_weights(model: torch.nn.Module, checkpoint: str | Path, config: str) -> None:
    """mmengine only warns of weights that do not fit, and what follows would be that of an untrained model.

    Args:
        config: its name, for the error.

    Raises:
        InputError: a parameter is missing or has another shape. What a checkpoint holds beyond is let pass, for
            published ones do.
    """
    content = load_checkpoint(model, str(checkpoint), map_location='cpu', logger='silent')
    weights = content.get('state_dict', content)
    found = {name.removeprefix('module.'): tuple(value.shape) for name, value in weights.items()}
    missing = [name for name, value in model.named_parameters() if found.get(name) != tuple(value.shape)]
    if missing:
        raise InputError(
            f'{checkpoint} does not fit {config}: {missing[0]} is missing or has another shape, '
            f'{len(missing)} parameters in all; is it a checkpoint of this model?'
        )


class TaskInferencer:
    """A detector or segmentor, ready to look at pictures.

    Args:
        config: of mmdet or mmseg, loaded; a derainer in its pipeline or model is part of it.
        checkpoint: its weights.
        device: ``'cpu'``, ``'cuda:0'`` and so on.

    Attributes:
        kind: ``'detector'`` or ``'segmentor'``. classes: names, in the order of labels. score_threshold: boxes below
            are neither drawn nor counted; the config's ``default_hooks.visualization.score_thr``, or 0.3.

    Raises:
        FileNotFoundError, InputError: the checkpoint is missing or does not fit, or the config is of another library.
    """

    def __init__(self, config: Config, checkpoint: str | Path, device: str = 'cpu'):
        scope = config.get('default_scope')
        if scope not in ('mmdet', 'mmseg'):
            raise InputError(
                f"{config.filename}: found default_scope {scope!r}; expected 'mmdet' or 'mmseg', a detector or a "
                'segmentor'
            )
        self.kind = 'detector' if scope == 'mmdet' else 'segmentor'
        if not str(checkpoint).startswith(('http://', 'https://')) and not Path(checkpoint).is_file():
            raise FileNotFoundError(f'{checkpoint}: no such checkpoint file')
        require_device(device)
        self._import_library()
        config = copy.deepcopy(config)
        for part in (config.model, config.model.get('backbone', {})):  # weights to start from are not needed
            part.update({key: None for key in ('init_cfg', 'pretrained') if part.get(key)})
        with DefaultScope.overwrite_default_scope(scope):
            self.model = MODELS.build(config.model)
            with DATASETS.switch_scope_and_registry(scope) as datasets:
                meta = dict(datasets.get(_dataset(config).type).METAINFO)
            self._visualizer = VISUALIZERS.build(
                {**config.visualizer, 'name': f'mmderain{id(self)}', 'vis_backends': None, 'save_dir': None}
            )
        meta.update(_dataset(config).get('metainfo', {}))
        self.classes = tuple(meta['classes'])
        load_task_weights(self.model, checkpoint, config.filename)
        self.model.cfg, self.model.dataset_meta = config, meta
        self._visualizer.dataset_meta = meta
        self.model.to(device).eval()
        self.score_threshold = (
            config.get('default_hooks', {}).get('visualization', {}).get('score_thr', SCORE_THRESHOLD)
        )

    def _import_library(self) -> None:
        try:
            if self.kind == 'detector':
                from mmdet.apis import inference_detector as infer
            else:
                from mmseg.apis import inference_model as infer
        except ImportError as error:
            raise InputError(
                f'a {self.kind} needs mmdet, mmseg and an mmcv with its operators, which do not import here: {error}. '
                '`make test` sets them up in a checkout; elsewhere pip install "mmderain[onedl]" with '
                '--no-build-isolation'
            ) from error
        self._infer = infer

    def __call__(self, img: np.ndarray) -> object:
        """What is found in a picture.

        Args:
            img: (H, W, 3) BGR uint8.

        Returns:
            mmdet's or mmseg's data sample, with ``pred_instances`` or ``pred_sem_seg``.
        """
        with DefaultScope.overwrite_default_scope('mmdet' if self.kind == 'detector' else 'mmseg'):
            return self._infer(self.model, img).cpu()

    def _certain(self, found: object) -> object:
        return found.pred_instances[found.pred_instances.scores >= self.score_threshold]

    def draw(self, img: np.ndarray, found: object) -> np.ndarray:
        """Boxes or labels over the picture, (H, W, 3) BGR uint8, by the library's own visualizer."""
        options = dict(pred_score_thr=self.score_threshold) if self.kind == 'detector' else dict(with_labels=False)
        rgb = np.ascontiguousarray(img[..., ::-1])
        self._visualizer.add_datasample('picture', rgb, found, draw_gt=False, **options)
        return np.ascontiguousarray(self._visualizer.get_image()[..., ::-1])

    def caption(self, found: object) -> str:
        """Counts and scores of boxes, or the share of the picture that each class covers, largest first."""
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

    def agreement(self, found: object, reference: object) -> str:
        """How much of what is found in one picture is found in another of the same scene.

        Of boxes: how many of the reference's are met with an overlap (IoU) above a half. Of labels: the mean over the
        reference's classes of the overlap.
        """
        if self.kind == 'detector':
            from torchvision.ops import box_iou

            ours, theirs = self._certain(found), self._certain(reference)
            met = 0
            for label in theirs.labels.unique():
                overlap = box_iou(theirs.bboxes[theirs.labels == label], ours.bboxes[ours.labels == label])
                met += int((overlap > 0.5).any(1).sum())
            return f'{met} of the clean {len(theirs)}'
        ours, theirs = found.pred_sem_seg.data, reference.pred_sem_seg.data
        overlaps = [
            ((ours == label) & (theirs == label)).sum() / ((ours == label) | (theirs == label)).sum()
            for label in theirs.unique()
        ]
        return f'mIoU with the clean {100 * torch.stack(overlaps).mean():.1f}'


def load_task_model(model: str | Path, weights: str | Path | None = None, device: str = 'cpu') -> TaskInferencer:
    """A detector or segmentor by name.

    Args:
        model: a name of :func:`~mmderain.apis.bundled_models`, a config of a package such as
            ``'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py'``, or a config file.
        weights: a checkpoint; None takes the shipped one, if there is one.

    Raises:
        FileNotFoundError, InputError: there is nothing of that name, no weights, or they do not fit.
    """
    name = str(model)
    shipped = {key: entry for key, entry in bundled_models().items() if entry.kind != 'derainer'}
    if name in bundled_models() and name not in shipped:
        raise InputError(f'{name}: is a derainer; expected a detector or segmentor')
    if name in shipped:
        config, weights = get_config(f'mmderain::{shipped[name].config}'), weights or shipped[name].weights()
    elif '::' in name:
        config = get_config(name)
    elif Path(model).is_file():
        config = Config.fromfile(model)
    elif Path(model).suffix:
        raise FileNotFoundError(f'{model}: no such config file (looked for in {Path.cwd()})')
    else:
        raise InputError(
            f'no detector or segmentor is called {name!r}{did_you_mean(name, shipped) or "."} `mmderain models` lists '
            'them, and a path to a config file will do too'
        )
    if weights is None:
        raise InputError(f'{name}: no checkpoint is named and none is bundled; name one (weights, --task-weights)')
    return TaskInferencer(config, weights, device)


def _dataset(config: Config) -> Config:
    """Of the test set, taken out of wrappers."""
    dataset = config.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset


def _plural(name: str) -> str:
    return {'person': 'persons', 'bus': 'buses'}.get(name, name if name.endswith('s') else f'{name}s')
