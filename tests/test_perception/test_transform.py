import pickle

import numpy as np
import pytest
import torch
from conftest import smooth_image
from mmengine.registry import TRANSFORMS, init_default_scope

from mmderain.errors import InputError
from mmderain.perception import Derain

from .cases import DARKER, IDENTITY, Darker, detector

pytest.importorskip('mmdet', reason='mmdet is not installed')


@pytest.mark.parametrize('threshold, changed', [(None, True), (9.0, True), (11.0, False)])
def test_min_change_keeps_images_without_rain(threshold, changed):
    img = np.full((20, 30, 3), 100, np.uint8)
    transform = Derain(DARKER, min_change=threshold)
    assert (transform(dict(img=img))['img'] == (90 if changed else 100)).all()


def test_transform_is_pickled_without_its_network(sian):
    transform = TRANSFORMS.build(dict(type='mmderain.Derain', derainer=sian))
    img = smooth_image(30, 40)
    expected = transform(dict(img=img))['img']
    data = pickle.dumps(transform)
    assert len(data) < 2000
    assert (pickle.loads(data)(dict(img=img))['img'] == expected).all()
    assert transform(dict(img=img.astype(np.float32)))['img'].dtype == np.float32


def test_unsuitable_images_and_gpus_in_loader_processes_are_refused(monkeypatch):
    with pytest.raises(ValueError, match='a.png: found float64 .*directly after LoadImageFromFile'):
        Derain(IDENTITY)(dict(img=np.full((4, 4, 3), 0.5), img_path='a.png'))
    monkeypatch.setattr('mmderain.perception.transform.get_worker_info', lambda: object())
    with pytest.raises(ValueError, match='num_workers=0'):
        Derain(IDENTITY, device='cuda:0')(dict(img=smooth_image(8, 8)))


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
    transforms = [load, dict(type='mmderain.Derain', derainer=DARKER), augment]
    Darker.calls = 0
    pipeline = TRANSFORMS.build(dict(type='Compose', transforms=transforms))
    views = pipeline(dict(img_path=files[0], img_id=0))['inputs']
    assert len(views) == 2 and Darker.calls == 1
    undisturbed = TRANSFORMS.build(dict(type='Compose', transforms=[load, augment]))
    plain = undisturbed(dict(img_path=files[0], img_id=0))['inputs']
    assert all((a <= b).all() and not torch.equal(a, b) for a, b in zip(views, plain, strict=True))


@pytest.mark.parametrize(
    'config', [dict(type='mmderain.Derain', derainer='nafnet'), dict(type='mmderain.SynthesizeRain', preset='heavy')]
)
def test_error_for_a_transform_ahead_of_the_loading_transform(config):
    with pytest.raises(InputError, match='no image is loaded yet; put'):
        TRANSFORMS.build(config).transform(dict(img_path='a.png'))
