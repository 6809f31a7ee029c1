"""Configs of detectors and segmentors with transforms of mmderain."""

import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool, smooth_image
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.utils import import_modules_from_strings

from mmderain.datasets import SeededIndex
from mmderain.datasets.contact_sheet import pipeline_steps
from mmderain.engine.config import require_data
from mmderain.rain import synthesize_rain

from .test_real_weather_configs import REAL_BOXES, REAL_LABELS

RAINY = {
    'faster-rcnn_r50_coco_heavy': ('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', 'data/coco'),
    'pspnet_r50_ade20k_heavy': ('mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py', 'data/ade'),
    'pspnet_r50_camvid_heavy': (str(ROOT / 'configs/perception/pspnet_r50_camvid.py'), 'data/camvid'),
}


@pytest.mark.parametrize('name', RAINY)
def test_rainy_configs_differ_from_their_base_only_in_the_rain(name, tmp_path):
    base_name, root = RAINY[name]
    pytest.importorskip('mmdet', reason='mmdet is not installed')
    pytest.importorskip('mmseg', reason='mmseg is not installed')
    (tmp_path / 'base.py').write_text(f'_base_ = {base_name!r}\n')
    base, rainy = (Config.fromfile(p) for p in (tmp_path / 'base.py', ROOT / f'configs/perception/{name}.py'))
    # mmengine adds `_scope_` to entries that a config inherits from another package.
    load, rain, *rest = ({k: v for k, v in t.items() if k != '_scope_'} for t in rainy.test_dataloader.dataset.pipeline)
    assert [load, *rest] == base.test_dataloader.dataset.pipeline and load['type'].split('.')[-1] == 'LoadImageFromFile'
    assert rain == dict(type='mmderain.SynthesizeRain', preset='heavy', seed=0, data_root=root)
    for cfg in (base, rainy):
        cfg.test_dataloader.dataset.pipeline = cfg.test_pipeline = None
    assert rainy.to_dict() == base.to_dict()


@pytest.fixture
def camvid(tmp_path, monkeypatch):
    """Make a small CamVid with three images in each split, and change to its folder."""
    for split in ('train', 'val', 'test'):
        for number in range(3):
            mmcv.imwrite(smooth_image(360, 480, number), str(tmp_path / f'data/camvid/images/{split}/{number}.jpg'))
            labels = np.full((360, 480), 11, np.uint8)
            labels[:200] = number
            mmcv.imwrite(labels, str(tmp_path / f'data/camvid/annotations/{split}/{number}.png'))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rain_in_segmentation_data_depends_on_the_path(camvid):
    pytest.importorskip('mmseg', reason='mmseg is not installed')
    cfg = Config.fromfile(ROOT / 'configs/perception/pspnet_r50_camvid_heavy.py')
    init_default_scope('mmseg')
    data = DATASETS.build(cfg.test_dataloader.dataset)
    assert len(data) == 3
    item = data[1]
    clean = mmcv.imread('data/camvid/images/test/1.jpg')
    # The rain depends on the path relative to the data root: zlib.crc32(b'images/test/1.jpg').
    rainy = synthesize_rain(clean, 'heavy', [0, 3965692267])
    assert (item['inputs'].numpy().transpose(1, 2, 0) == rainy).all()
    labels = item['data_samples'].gt_sem_seg.data[0].numpy()
    assert (labels[:200] == 1).all() and (labels[200:] == 11).all()


@pytest.mark.parametrize('split', ['train', 'test'])
def test_browse_dataset_draws_the_items_of_a_segmentation_config(camvid, split, capsys):
    pytest.importorskip('mmseg', reason='mmseg is not installed')
    tool = load_tool('browse_dataset')
    config = ROOT / 'configs/perception/pspnet_r50_camvid_heavy.py'
    assert tool.main([str(config), '--split', split, '--number', '2', '--out', 'sheets']) == 0
    assert '2 of 3 items of BaseSegDataset' in capsys.readouterr().out
    sheet = mmcv.imread(f'sheets/pspnet_r50_camvid_heavy_{split}.png')
    assert sheet.shape[0] > 2 * 200 and sheet.std() > 20


def test_browse_dataset_shows_the_input_of_a_derainer(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    tool = load_tool('browse_dataset')
    cfg = Config.fromfile('configs/derain/sian_sample.py')
    init_default_scope('mmderain')
    data = DATASETS.build(cfg.train_dataloader.dataset)
    steps = pipeline_steps(data, 3, seed=5)
    assert [name for name, _ in steps] in (
        ['LoadPairedImages', 'PairedRandomCrop', 'SynthesizeRain'],
        ['LoadPairedImages', 'PairedRandomCrop', 'PairedRandomFlip', 'SynthesizeRain'],
    )
    # The images of the last step are those that the network gets for this visit of the item.
    seen = data[SeededIndex(3, 0, 5)]
    rainy, truth = steps[-1][1]
    assert (rainy == seen['inputs'].numpy().transpose(1, 2, 0)).all()
    assert (truth == seen['data_samples'].gt_img.numpy().transpose(1, 2, 0)).all()
    assert (steps[0][1][0] == mmcv.imread(data.get_data_info(3)['img_path'])).all()
    assert tool.main(['configs/derain/sian_rain12.py', '--out', str(tmp_path)]) == 1
    assert 'has no train_dataloader' in capsys.readouterr().err


PERSONS = ['faster-rcnn_r50_coco-person', 'rtmdet_s_coco-person']
CHAINED = [f'{task}_derained' for task in (*PERSONS, 'faster-rcnn_r50_coco', 'rtmdet_s_coco', 'pspnet_r50_ade20k')]


@pytest.mark.parametrize('name', CHAINED)
@pytest.mark.parametrize('network', ['sian_rain100h', 'jdnet_rain200h', 'nasnet_rain100h', 'mafnet_rain200h'])
def test_derained_configs_use_the_named_derainer(name, network, monkeypatch):
    pytest.importorskip('mmdet', reason='mmdet is not installed')
    pytest.importorskip('mmseg', reason='mmseg is not installed')
    monkeypatch.setenv('DERAINER', network)
    cfg = Config.fromfile(ROOT / f'configs/perception/{name}.py')
    load, derain, *rest = cfg.test_dataloader.dataset.pipeline
    assert load['type'].split('.')[-1] == 'LoadImageFromFile' and rest[0]['type'] == 'Resize'
    assert derain['type'] == 'mmderain.Derain' and cfg.test_pipeline[1] == derain
    path = ROOT / 'configs' / derain['derainer']['config'].removeprefix('mmderain::')
    loop = Config.fromfile(path).train_cfg
    last = f'epoch_{loop.max_epochs}' if 'max_epochs' in loop else f'iter_{loop.max_iters}'
    assert path.stem == network and derain['derainer']['checkpoint'] == f'work_dirs/{path.stem}/{last}.pth'


def test_derained_configs_accept_a_bundled_name_or_a_path(monkeypatch):
    pytest.importorskip('mmdet', reason='mmdet is not installed')
    config = ROOT / 'configs/perception/rtmdet_s_coco_derained.py'
    monkeypatch.delenv('DERAINER', raising=False)
    assert 'sian_rain100h' in Config.fromfile(config).test_pipeline[1]['derainer']['config']
    for name in ('sian', 'my/config.py'):
        monkeypatch.setenv('DERAINER', name)
        cfg = Config.fromfile(config)
        assert cfg.test_pipeline[1]['derainer'] == cfg.test_dataloader.dataset.pipeline[1]['derainer'] == name


@pytest.mark.parametrize('name', PERSONS)
def test_person_configs_keep_only_persons(name):
    pytest.importorskip('mmdet', reason='mmdet is not installed')
    cfg = Config.fromfile(ROOT / f'configs/perception/{name}.py')
    for split in ('train', 'val', 'test'):
        assert cfg[f'{split}_dataloader'].dataset.metainfo.classes == ('person',)
    init_default_scope('mmdet')
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    head = model.roi_head.bbox_head if hasattr(model, 'roi_head') else model.bbox_head
    assert head.num_classes == 1


SMALL = ['pspnet_r18_camvid_small', 'atss_r18_camvid_small']
#: Maps each small fine-tuned model to the settings of its derainer during the fine-tuning. None means no derainer.
FINE_TUNED = {
    'pspnet_r18_camvid_small_rain': None,
    'pspnet_r18_camvid_small_rain_sian': dict(freeze=True),
    'pspnet_r18_camvid_small_rain_joint': dict(freeze=False),
    'atss_r18_camvid_small_rain': None,
}


@pytest.mark.parametrize('name', FINE_TUNED)
def test_fine_tuned_configs_start_from_the_clean_model_and_use_both_rains(name):
    pytest.importorskip('mmdet', reason='mmdet is not installed')
    pytest.importorskip('mmseg', reason='mmseg is not installed')
    clean_name = name.partition('_rain')[0]
    clean, cfg = (Config.fromfile(ROOT / f'configs/perception/{n}.py') for n in (clean_name, name))
    assert cfg.load_from == f'work_dirs/{clean_name}/iter_{clean.train_cfg.max_iters}.pth'
    load, rain, *rest = cfg.train_dataloader.dataset.pipeline
    assert [load, *rest] == clean.train_dataloader.dataset.pipeline
    assert rain['prob'] == 0.8 and rain['transforms'][0]['preset'] == ['light', 'heavy']
    assert cfg.test_dataloader == clean.test_dataloader and cfg.train_dataloader.batch_size == 8
    preprocessor, plain = cfg.model.pop('data_preprocessor'), clean.model.pop('data_preprocessor')
    assert cfg.model == clean.model
    if FINE_TUNED[name] is None:
        assert preprocessor == plain
    else:
        assert preprocessor['type'] == 'mmderain.DerainBeforeTask' and preprocessor.wrapped == plain
        assert preprocessor.get('freeze', True) is FINE_TUNED[name]['freeze']


def test_small_detector_has_a_backbone_of_timm():
    pytest.importorskip('mmdet', reason='mmdet is not installed')
    cfg = Config.fromfile(ROOT / 'configs/perception/atss_r18_camvid_small.py')
    init_default_scope('mmdet')
    import_modules_from_strings(**cfg.custom_imports)
    model = MODELS.build(cfg.model).eval()
    assert type(model.backbone.timm_model).__module__.startswith('timm.')
    with torch.no_grad():
        features = model.extract_feat(torch.zeros(1, 3, 352, 480))
    # An object of 13x38 px covers more than one position of the finest feature map.
    assert [tuple(f.shape[1:]) for f in features] == [(64, 44, 60), (64, 22, 30), (64, 11, 15), (64, 6, 8)]
    # The stages have half of ResNet-18's channels.
    assert [f.shape[1] for f in model.backbone(torch.zeros(1, 3, 32, 32))] == [64, 128, 256]


#: Maps each bundled task model to its classes and to the number of values in its model card.
STREET = {
    'atss_r18_street': (('person',), 1_033_439),
    'pspnet_r18_street': (('background', 'person'), 819_903),
}


@pytest.mark.parametrize('name', STREET)
def test_street_models_match_their_model_card(name):
    pytest.importorskip('mmdet', reason='mmdet is not installed')
    pytest.importorskip('mmseg', reason='mmseg is not installed')
    classes, values = STREET[name]
    cfg = Config.fromfile(ROOT / f'configs/perception/{name}.py')
    for split in ('train', 'test'):
        data = cfg[f'{split}_dataloader'].dataset
        assert data.data_root.rstrip('/') == 'data/street' and tuple(data.metainfo['classes']) == classes
        assert split in str(data.get('ann_file') or data.data_prefix)
    init_default_scope(cfg.default_scope)
    import_modules_from_strings(**cfg.get('custom_imports', {'imports': []}))
    assert sum(value.numel() for value in MODELS.build(cfg.model).state_dict().values()) == values
    assert f'{values:,} values' in (ROOT / 'mmderain/weights/README.md').read_text(encoding='utf-8')


def test_every_perception_config_is_tested():
    names = {path.stem for path in (ROOT / 'configs/perception').glob('*.py')}
    others = {'pspnet_r50_camvid', 'faster-rcnn_r50_camvid', *REAL_BOXES, *REAL_LABELS}
    assert names == {*RAINY, *CHAINED, *PERSONS, *SMALL, *FINE_TUNED, *STREET, *others}


@pytest.mark.usefixtures('task_models')
@pytest.mark.parametrize('wrapper', [None, 'mmdet.RepeatDataset'])
def test_missing_task_data_is_reported_first(wrapper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = Config.fromfile(ROOT / 'configs/perception/atss_r18_street.py')
    if wrapper:
        cfg.test_dataloader.dataset = dict(type=wrapper, times=2, dataset=cfg.test_dataloader.dataset)
    with pytest.raises(FileNotFoundError, match='data/street/ does not exist .*of test_dataloader.*docs/en/datasets'):
        require_data(cfg, 'test_dataloader')
    (tmp_path / 'data/street').mkdir(parents=True)
    require_data(cfg, 'test_dataloader')
