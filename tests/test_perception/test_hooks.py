"""The restoration loss of joint fine-tuning."""

import json
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from conftest import smooth_image
from mmengine.config import Config
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from mmderain.apis import init_model
from mmderain.engine import BFloat16OptimWrapper
from mmderain.io import save_weights
from mmderain.models import NetworkSpec
from mmderain.perception import DerainBeforeTask, RestorationLossHook
from mmderain.perception.derain import derain_levels
from mmderain.registry import MODELS

from .cases import chained, detector

pytest.importorskip('mmdet', reason='mmdet is not installed')


def training_run(tmp_path, sian, freeze: bool, weight: float | None) -> Runner:
    """Make a run that trains the small detector for two steps on artificial boxes.

    The pipeline draws rain directly before it packs the images.
    """
    images = []
    for number in range(2):
        mmcv.imwrite(smooth_image(96, 128, number), str(tmp_path / f'images/{number}.png'))
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
        # The expected loss is computed from the untrained derainer and the two rainy images.
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


def test_error_of_the_restoration_loss_names_the_required_preprocessor(sian, tmp_path):
    with pytest.raises(ValueError, match='needs a model with data_preprocessor DerainBeforeTask'):
        training_run(tmp_path, sian, True, 1.0).train()


@MODELS.register_module(force=True)
class Brighter(torch.nn.Module):
    """Network that adds a learned value."""

    spec = NetworkSpec()

    def __init__(self):
        super().__init__()
        self.offset = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return [x + self.offset]


class MeanLoss(BaseModel):
    """Task model whose loss is the mean of the image in [0, 1]."""

    def forward(self, inputs, data_samples, mode):
        return dict(loss_task=torch.stack(inputs).mean() / 255)


@pytest.fixture
def process_group():
    torch.distributed.init_process_group('gloo', store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('way', ['plain', 'accumulated', 'bfloat16', 'distributed'])
def test_restoration_loss_is_added_to_the_losses_of_the_model(way, tmp_path, request):
    """The gradient is that of the weighted sum of losses. The hook does not change the keys of checkpoints."""
    weights = tmp_path / 'brighter.pth'
    config = dict(model=dict(type='mmderain.Derainer', network=dict(type='Brighter')))
    save_weights(weights, init_model(Config(config)).state_dict(), {})
    derainer = dict(config=config, checkpoint=weights)
    model = MeanLoss(DerainBeforeTask(derainer, dict(type='BaseDataPreprocessor'), freeze=False))
    keys = list(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    wrapper, steps, wrapped = OptimWrapper(optimizer), 1, model
    if way == 'accumulated':
        wrapper, steps = OptimWrapper(optimizer, accumulative_counts=2), 2
    elif way == 'bfloat16':
        wrapper = BFloat16OptimWrapper(optimizer)
    elif way == 'distributed':
        request.getfixturevalue('process_group')
        wrapped = MMDistributedDataParallel(model)
    hook = RestorationLossHook(weight=3.0)
    hook.before_train(SimpleNamespace(model=wrapped))
    sample = BaseDataElement(metainfo=dict(img_path='a.png', gt_img=np.full((8, 9, 3), 151, np.uint8)))
    for _ in range(steps):
        data = dict(inputs=[torch.full((3, 8, 9), 100.0)], data_samples=[sample])
        logged = wrapped.train_step(data, wrapper)
    # In [0, 1] the image is 51 / 255 too dark. A brighter image lowers the restoration loss and raises the task loss.
    assert logged['loss_restoration'].item() == pytest.approx(3 * 51 / 255)
    assert logged['loss'].item() == pytest.approx(3 * 51 / 255 + 100 / 255, rel=1e-3)
    offset = model.data_preprocessor.model().network.offset
    assert offset.item() == pytest.approx(-1e-3 * (1 - 3), rel=1e-3)
    assert list(model.state_dict()) == keys and not {'loss', 'forward', 'train_step'} & set(vars(model))
    hook.after_train(SimpleNamespace(model=wrapped))
    assert 'loss_restoration' not in model.train_step(data, wrapper)
