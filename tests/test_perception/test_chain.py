"""A derainer can be added to a detector or segmentor in three ways. In each way, it changes only the pixels."""

import functools

import mmcv
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmderain.apis import init_model
from mmderain.io.image import to_bgr_uint8, to_rgb_tensor

from .cases import DARKER, IDENTITY, WAYS, Darker, chained, detector, fill, segmentor

pytest.importorskip('mmdet', reason='mmdet is not installed')
pytest.importorskip('mmseg', reason='mmseg is not installed')


def outputs(cfg: Config, files: list[str]) -> list[dict[str, torch.Tensor]]:
    """Run the inference function of mmdet or mmseg and return the predictions.

    Args:
        cfg: config of a detector or segmentor; its weights are set by ``fill``.
        files: image files.

    Returns:
        One dict for each image: ``bboxes``, ``scores`` and ``labels`` of a detector, or ``logits`` and ``labels`` of a
        segmentor.
    """
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    fill(model)
    model.cfg = cfg
    model.eval()
    found = []
    for file in files:
        if cfg.default_scope == 'mmdet':
            from mmdet.apis import inference_detector

            instances = inference_detector(model, file).pred_instances
            found.append({key: instances[key] for key in ('bboxes', 'scores', 'labels')})
        else:
            from mmseg.apis import inference_model

            result = inference_model(model, file)
            found.append(dict(logits=result.seg_logits.data, labels=result.pred_sem_seg.data))
    return found


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('task', [detector, segmentor])
def test_identity_derainer_does_not_change_the_predictions(task, way, files):
    plain = outputs(task(), files)
    assert all(value.numel() > 0 for result in plain for value in result.values())
    through = outputs(chained(task(), way, IDENTITY), files)
    for a, b in zip(plain, through, strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)
    # A derainer that changes the images changes the predictions.
    darker = outputs(chained(task(), way, DARKER), files)
    assert any(not torch.equal(a[key], b[key]) for a, b in zip(plain, darker, strict=True) for key in a)


@pytest.mark.parametrize('way', WAYS)
def test_all_ways_give_the_predictions_for_derained_files(way, sian, files):
    """Without resizing, the transform and both preprocessors give the predictions for derained files."""

    def unresized() -> Config:
        cfg = detector()
        cfg.test_pipeline[1] = dict(type='Resize', scale_factor=1.0)
        cfg.test_dataloader.dataset.pipeline = cfg.test_pipeline
        return cfg

    derained = []
    model = init_model(**sian)
    for file in files:
        with torch.inference_mode():
            restored = model.restore(to_rgb_tensor(mmcv.imread(file))[None])[0]
        path = file.replace('.png', '_derained.png')
        mmcv.imwrite(to_bgr_uint8(restored), path)
        derained.append(path)
    expected = outputs(unresized(), derained)
    for a, b in zip(expected, outputs(chained(unresized(), way, sian), files), strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)


def saved(tmp_path, cfg: Config, name: str) -> tuple[str, str]:
    """Write a task config and random weights to files, and return both paths."""
    config, weights = tmp_path / f'{name}.py', tmp_path / 'task.pth'
    cfg.dump(config)
    init_default_scope(cfg.default_scope)
    if not weights.exists():
        model = MODELS.build(cfg.model)
        fill(model)
        meta = dict(CLASSES=('a', 'b', 'c', 'd'), PALETTE=[[0, 0, 0]] * 4, dataset_meta=dict(classes=tuple('abc')))
        torch.save(dict(state_dict=model.state_dict(), meta=meta), weights)
    return str(config), str(weights)


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('task', [detector, segmentor])
def test_inferencers_of_task_libraries_use_the_derainer(task, way, files, tmp_path, monkeypatch):
    """The inferencers accept a config with a derainer. The identity derainer does not change the predictions."""
    # The inferencers load more than weights. This checkpoint is safe, because the test writes it.
    monkeypatch.setattr(torch, 'load', functools.partial(torch.load, weights_only=False))
    results = []
    Darker.calls = 0
    for name, derainer in (('plain', None), ('identity', IDENTITY), ('darker', DARKER)):
        cfg = task() if derainer is None else chained(task(), way, derainer)
        config, weights = saved(tmp_path, cfg, name)
        if task is detector:
            from mmdet.apis import DetInferencer

            inferencer = DetInferencer(config, weights, device='cpu', show_progress=False)
            results.append(inferencer(files[0], no_save_vis=True)['predictions'][0]['scores'])
        else:
            from mmseg.apis import MMSegInferencer

            inferencer = MMSegInferencer(config, weights, device='cpu')
            results.append(inferencer(files[0], show=False)['predictions'].tolist())
    assert results[0] == results[1] and Darker.calls == 1
    # A derainer that changes the image changes the scores of the detector. The untrained segmentor predicts one class
    # for every image.
    assert task is segmentor or results[0] != results[2]
