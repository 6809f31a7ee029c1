"""A derainer ahead of detectors and segmentors: nothing but the pixels changes, whichever way it is put there."""

import functools
import json
import pickle

import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, picture
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.registry import MODELS, TRANSFORMS, init_default_scope
from mmengine.runner import Runner

from mmderain.apis import init_model
from mmderain.io import save_weights
from mmderain.io.image import to_bgr_uint8, to_rgb_tensor
from mmderain.perception import Derain, DerainBeforeTask
from mmderain.perception.chain import derain_levels
from mmderain.registry import MODELS as OURS

pytest.importorskip('mmdet', reason='mmdet is not installed')
pytest.importorskip('mmseg', reason='mmseg is not installed')


@OURS.register_module(force=True)
class IdentityDerainer(BaseModule):
    def forward(self, x):
        return [x]


@OURS.register_module(force=True)
class Darker(BaseModule):
    """Takes ``by`` levels away; counts its calls."""

    calls = 0
    by = 10.0

    def forward(self, x):
        Darker.calls += 1
        return [x - self.by / 255]


IDENTITY = dict(model=dict(type='mmderain.Derainer', network=dict(type='IdentityDerainer')))
DARKER = dict(model=dict(type='mmderain.Derainer', network=dict(type='Darker')))
WAYS = ['transform', 'preprocessor', 'joint']


@pytest.fixture
def sian(tmp_path):
    """A small SIAN with weights."""
    config = tmp_path / 'sian.py'
    config.write_text(
        f"_base_ = '{ROOT}/configs/derain/sian_rain100l.py'\nmodel = dict(network=dict(channels=4, num_stages=1))\n"
    )
    torch.manual_seed(1)
    save_weights(tmp_path / 'sian.pth', init_model(config).state_dict(), {})
    return dict(config=str(config), checkpoint=str(tmp_path / 'sian.pth'))


def detector() -> Config:
    return Config.fromfile(ROOT / 'tests/data/detector.py')


def segmentor() -> Config:
    return Config.fromfile(ROOT / 'tests/data/segmentor.py')


def chained(cfg: Config, way: str, derainer: dict) -> Config:
    """The one line that each way takes in a task config."""
    if way == 'transform':
        # mmdet's inference reads the pipeline from the loader, mmseg's from the top of the config.
        load, *rest = cfg.test_pipeline
        cfg.test_pipeline = [load, dict(type='mmderain.Derain', **derainer), *rest]
        cfg.test_dataloader.dataset.pipeline = cfg.test_pipeline
    else:
        cfg.model.data_preprocessor = dict(
            type='mmderain.DerainBeforeTask',
            derainer=derainer,
            wrapped=cfg.model.data_preprocessor,
            freeze=way != 'joint',
        )
    return cfg


def fill(model: torch.nn.Module) -> None:
    """Weights of a task model that are the same with and without a derainer."""
    generator = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        if 'derainer' not in name:
            spread = (2 / parameter[0].numel()) ** 0.5 if parameter.dim() > 1 else 0.1
            parameter.data = torch.randn(parameter.shape, generator=generator) * spread + (parameter.dim() == 1)


def outputs(cfg: Config, files: list[str]) -> list[dict[str, torch.Tensor]]:
    """What a task model says of pictures, by its library's own inference."""
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


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for number, size in enumerate([(96, 120), (75, 101)]):
        img = np.clip(picture(*size, number) + rng.integers(-40, 40, (*size, 3)), 0, 255).astype(np.uint8)
        mmcv.imwrite(img, str(tmp_path / f'{number}.png'))
        paths.append(str(tmp_path / f'{number}.png'))
    return paths


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('task', [detector, segmentor])
def test_the_identity_changes_no_bit(task, way, files):
    plain = outputs(task(), files)
    assert all(value.numel() > 0 for result in plain for value in result.values())
    through = outputs(chained(task(), way, dict(config=IDENTITY)), files)
    for a, b in zip(plain, through, strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)
    # And the gate would notice a difference.
    darker = outputs(chained(task(), way, dict(config=DARKER)), files)
    assert any(not torch.equal(a[key], b[key]) for a, b in zip(plain, darker, strict=True) for key in a)


@pytest.mark.parametrize('way', WAYS)
def test_all_ways_feed_the_detector_the_same(way, sian, files):
    """At native resolution, transform, frozen and joint preprocessor give what deraining the files beforehand would."""

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


def test_batches_are_derained_raw_then_normalised_and_padded():
    init_default_scope('mmdet')
    wrapped = dict(type='DetDataPreprocessor', mean=[100.0] * 3, std=[50.0] * 3, bgr_to_rgb=True, pad_size_divisor=32)
    preprocessor = MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=dict(config=DARKER), wrapped=wrapped))
    a, b, c = (torch.from_numpy(picture(*size).transpose(2, 0, 1).copy()) for size in ((40, 50), (30, 60), (40, 50)))
    Darker.calls = 0
    out = preprocessor(dict(inputs=[a, b, c], data_samples=None))['inputs']
    assert Darker.calls == 2  # two of one size went together
    assert out.shape == (3, 3, 64, 64)
    for img, result in zip((a, b, c), out, strict=True):
        height, width = img.shape[1:]
        # In raw levels, then RGB, then normalised; 0 where it is padded, for padding comes last.
        wanted = (img.float().sub(10).clamp(0, 255).flip(0) - 100) / 50
        assert torch.allclose(result[:, :height, :width], wanted, atol=1e-6)
        assert (result[:, height:] == 0).all() and (result[:, :, width:] == 0).all()
    assert preprocessor.pad_size_divisor == 32  # what code that knows the wrapped one asks for


def test_levels_are_whole_and_gradients_pass():
    model = init_model(Config(IDENTITY))
    batch = torch.arange(256.0).repeat(3, 1)[None, :, None].requires_grad_()
    out = derain_levels(model, batch)
    assert torch.equal(out, batch)  # whole numbers stay what they are
    out.sum().backward()
    # The clamp at 0 and 1 lets gradients pass at the ends; rounding is as if it were not there.
    assert torch.allclose(batch.grad, torch.ones_like(batch))


@pytest.mark.parametrize('threshold, changed', [(None, True), (9.0, True), (11.0, False)])
def test_dry_pictures_are_left_alone_when_asked(threshold, changed):
    img = np.full((20, 30, 3), 100, np.uint8)
    transform = Derain(DARKER, min_change=threshold)
    assert (transform(dict(img=img))['img'] == (90 if changed else 100)).all()
    init_default_scope('mmdet')
    preprocessor = DerainBeforeTask(dict(config=DARKER), dict(type='mmdet.DetDataPreprocessor'), min_change=threshold)
    batch = [torch.from_numpy(img.transpose(2, 0, 1).copy())]
    assert (preprocessor(dict(inputs=batch, data_samples=None))['inputs'] == (90 if changed else 100)).all()


def test_a_frozen_derainer_stays_out_of_training_and_checkpoints(sian):
    init_default_scope('mmdet')
    wrapped = dict(type='DetDataPreprocessor')
    frozen = MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=sian, wrapped=wrapped))
    frozen.train()
    assert not frozen.model().training and not list(frozen.parameters()) and 'derainer' not in str(frozen.state_dict())
    joint = MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=sian, wrapped=wrapped, freeze=False))
    joint.train()
    assert joint.model().training and all(name.startswith('derainer.') for name, _ in joint.named_parameters())
    count = sum(p.numel() for p in init_model(**sian).parameters())
    assert sum(p.numel() for p in joint.parameters() if p.requires_grad) == count
    # Gradients of what comes after reach it.
    batch = torch.from_numpy(picture(24, 32).transpose(2, 0, 1).copy())
    joint(dict(inputs=[batch], data_samples=None), training=True)['inputs'].sum().backward()
    assert all(p.grad is not None for p in joint.model().network.parameters())


def test_transform_is_pickled_without_its_network(sian):
    transform = TRANSFORMS.build(dict(type='mmderain.Derain', **sian))
    img = picture(30, 40)
    expected = transform(dict(img=img))['img']
    data = pickle.dumps(transform)
    assert len(data) < 2000
    assert (pickle.loads(data)(dict(img=img))['img'] == expected).all()
    assert transform(dict(img=img.astype(np.float32)))['img'].dtype == np.float32


def test_wrong_input_is_named(sian, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='none.pth: no such checkpoint file'):
        Derain(sian['config'], 'none.pth')
    with pytest.raises(FileNotFoundError, match='none.py: no such config file'):
        Derain('none.py', sian['checkpoint'])
    with pytest.raises(ValueError, match='derainer: .*sian.py: no checkpoint is named'):
        DerainBeforeTask(dict(config=sian['config']), dict(type='mmdet.DetDataPreprocessor'))
    with pytest.raises(ValueError, match='does not fit the model of the config'):
        Derain(str(ROOT / 'configs/derain/jdnet_rain200h.py'), sian['checkpoint'])
    with pytest.raises(ValueError, match=r"must be dict\(config=..., checkpoint=...\), found \{'path'"):
        DerainBeforeTask(dict(path='x'), dict(type='mmdet.DetDataPreprocessor'))
    with pytest.raises(ValueError, match='a.png is float64 .*right after the loading transform'):
        Derain(IDENTITY)(dict(img=np.full((4, 4, 3), 0.5), img_path='a.png'))
    monkeypatch.setattr('mmderain.perception.transform.get_worker_info', lambda: object())
    with pytest.raises(ValueError, match='num_workers=0'):
        Derain(IDENTITY, device='cuda:0')(dict(img=picture(8, 8)))


def test_configs_that_come_along_are_found_by_name():
    with pytest.raises(FileNotFoundError, match='none.pth: no such checkpoint file'):
        Derain('mmderain::derain/sian_sample.py', 'none.pth')


def training_run(tmp_path, sian, freeze: bool, weight: float | None) -> Runner:
    """Two steps of the small detector on made-up boxes, rain drawn last before packing."""
    images = []
    for number in range(2):
        mmcv.imwrite(picture(96, 128, number), str(tmp_path / f'images/{number}.png'))
        images.append(dict(id=number, file_name=f'{number}.png', width=128, height=96))
    boxes = [dict(id=n, image_id=n, category_id=1, bbox=[10, 20, 60, 50], area=3000, iscrowd=0) for n in range(2)]
    content = dict(images=images, annotations=boxes, categories=[dict(id=1, name='a')])
    (tmp_path / 'boxes.json').write_text(json.dumps(content))
    cfg = chained(detector(), 'preprocessor' if freeze else 'joint', sian)
    cfg.work_dir, cfg.log_level = str(tmp_path / 'work'), 'ERROR'
    cfg.model.bbox_head.num_classes = 1
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None
    meta = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction', 'gt_img')
    cfg.train_dataloader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='CocoDataset',
            metainfo=dict(classes=('a',)),
            ann_file=str(tmp_path / 'boxes.json'),
            data_prefix=dict(img=str(tmp_path / 'images')),
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations', with_bbox=True),
                dict(type='Resize', scale=(160, 128), keep_ratio=True),
                dict(type='RandomFlip', prob=1.0),
                dict(type='mmderain.SynthesizeRain', preset='light', seed=0),
                dict(type='PackDetInputs', meta_keys=meta),
            ],
        ),
    )
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=100)
    cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3))
    cfg.param_scheduler = None
    cfg.custom_hooks = [] if weight is None else [dict(type='mmderain.RestorationLossHook', weight=weight)]
    return Runner.from_cfg(cfg)


@pytest.mark.parametrize('freeze, weight', [(True, None), (False, None), (False, 2.0)])
def test_a_detector_trains_with_a_derainer_ahead(freeze, weight, sian, tmp_path):
    runner = training_run(tmp_path, sian, freeze, weight)
    derainer = runner.model.data_preprocessor.model()
    before = {name: p.detach().clone() for name, p in derainer.named_parameters()}
    task_before = runner.model.backbone.conv1.weight.detach().clone()
    runner.train()
    moved = [name for name, p in derainer.named_parameters() if not torch.equal(p, before[name])]
    assert bool(moved) == (not freeze) and not torch.equal(runner.model.backbone.conv1.weight, task_before)
    logged = runner.message_hub.log_scalars
    assert ('train/loss_restoration' in logged) == (weight is not None)
    if weight is not None:
        first = logged['train/loss_restoration']._log_history[0]
        # By hand: the untrained derainer on the two rainy pictures.
        model = init_model(**sian)
        expected = []
        for item in (runner.train_dataloader.dataset[n] for n in range(2)):
            with torch.inference_mode():
                out = derain_levels(model, item['inputs'][None].float())[0]
            clean = torch.from_numpy(item['data_samples'].gt_img.transpose(2, 0, 1).copy())
            expected.append((out - clean).abs().mean().item() / 255)
        assert first == pytest.approx(weight * np.mean(expected), rel=1e-4)
    saved = torch.load(tmp_path / 'work/epoch_2.pth', weights_only=False)['state_dict']
    assert any('derainer' in key for key in saved) == (not freeze)


def test_the_restoration_loss_says_what_it_lacks(sian, tmp_path):
    with pytest.raises(ValueError, match='needs a model with data_preprocessor DerainBeforeTask'):
        training_run(tmp_path, sian, True, 1.0).train()


def saved(tmp_path, cfg: Config, name: str) -> tuple[str, str]:
    """A task config and random weights as files, as a user has them."""
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
def test_inferencers_of_the_task_libraries(task, way, files, tmp_path, monkeypatch):
    """mmdet's and mmseg's own inferencers take the chained config; the identity changes nothing, another one does."""
    # Their checkpoints hold more than weights; this one is ours.
    monkeypatch.setattr(torch, 'load', functools.partial(torch.load, weights_only=False))
    results = []
    Darker.calls = 0
    for name, derainer in (('plain', None), ('identity', IDENTITY), ('darker', DARKER)):
        cfg = task() if derainer is None else chained(task(), way, dict(config=derainer))
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
    # The segmentor's untrained label map is one colour, whatever it sees.
    assert task is segmentor or results[0] != results[2]


def test_test_time_augmentation_derains_once(files):
    init_default_scope('mmdet')
    cfg = detector()
    flips = [[dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]]
    pack = dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction'),
    )
    load, resize, _ = cfg.test_pipeline
    augment = dict(type='TestTimeAug', transforms=[[resize], *flips, [pack]])
    transforms = [load, dict(type='mmderain.Derain', config=DARKER), augment]
    Darker.calls = 0
    pipeline = TRANSFORMS.build(dict(type='Compose', transforms=transforms))
    views = pipeline(dict(img_path=files[0], img_id=0))['inputs']
    assert len(views) == 2 and Darker.calls == 1
    undisturbed = TRANSFORMS.build(dict(type='Compose', transforms=[load, augment]))
    plain = undisturbed(dict(img_path=files[0], img_id=0))['inputs']
    assert all((a <= b).all() and not torch.equal(a, b) for a, b in zip(views, plain, strict=True))
