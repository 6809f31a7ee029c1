"""The joint evaluator: its rows are the task libraries' own test runs, its intervals and cache are what they say."""

import json

import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool, picture
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner

from mmderain.perception import joint_evaluation as joint
from mmderain.perception import report
from mmderain.perception.bootstrap import bootstrap, coco_figure
from mmderain.perception.joint_evaluation import Result, TaskModel, conditions, evaluate
from mmderain.registry import MODELS as OURS

pytest.importorskip('mmdet', reason='mmdet is not installed')
pytest.importorskip('mmseg', reason='mmseg is not installed')


@OURS.register_module(force=True)
class JointIdentity(BaseModule):
    def forward(self, x):
        return [x]


IDENTITY = dict(config=dict(model=dict(type='mmderain.Derainer', network=dict(type='JointIdentity'))))


@pytest.fixture
def camvid(tmp_path, monkeypatch):
    """Six made-up street scenes with labels that follow brightness, and a small PSPNet with fixed random weights."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        img = picture(72, 96, number)
        labels = (img[..., 1] // 64).astype(np.uint8)
        labels[:5] = 11
        mmcv.imwrite(img, f'data/camvid/images/test/{number}.jpg')
        mmcv.imwrite(labels, f'data/camvid/annotations/test/{number}.png')
    text = (
        f"_base_ = '{ROOT}/configs/perception/pspnet_r18_camvid_small.py'\n"
        'model = dict(backbone=dict(base_channels=16), decode_head=dict(in_channels=128, channels=16), '
        'auxiliary_head=dict(in_channels=64, channels=16))\n'
    )
    (tmp_path / 'seg.py').write_text(text)
    cfg = Config.fromfile('seg.py')
    init_default_scope('mmseg')
    torch.manual_seed(2)
    model = MODELS.build(cfg.model)
    model.decode_head.conv_seg.weight.data.mul_(60)
    torch.save(dict(state_dict=model.state_dict(), meta={}), 'seg.pth')
    return TaskModel('seg', 'seg.py', 'seg.pth')


def test_rows_are_test_runs_of_the_task_library(camvid, tmp_path):
    rows = list(conditions(camvid, ['heavy'], {'identity': IDENTITY}, [], {}, 'data/camvid', seed=4))
    assert [(r.rain, r.treatment) for r in rows] == [
        (None, 'clean'),
        (None, 'clean, then identity'),
        ('heavy', 'rainy'),
        ('heavy', 'median blur 5x5'),
        ('heavy', 'identity'),
    ]
    clean, clean_identity, rainy, median, identity = evaluate(rows, tmp_path / 'cache')
    # What mmseg's own runner says of the same config with the rain in its pipeline.
    for result, insert in (
        (clean, []),
        (rainy, [dict(type='mmderain.SynthesizeRain', preset='heavy', seed=4, data_root='data/camvid')]),
    ):
        cfg = Config.fromfile('seg.py')
        cfg.work_dir, cfg.log_level, cfg.load_from = str(tmp_path / 'w'), 'ERROR', 'seg.pth'
        cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
        cfg.test_dataloader.dataset.pipeline[1:1] = insert
        assert Runner.from_cfg(cfg).test()['mIoU'] == result.metrics['mIoU']
    assert clean.metrics == clean_identity.metrics != rainy.metrics == identity.metrics
    assert clean.psnr is None and rainy.psnr == identity.psnr < 25 and rainy.psnr != median.psnr
    assert rainy.derain_ms is None and len(identity.derain_ms) == 2 and identity.images == 6
    for result in (clean, rainy):
        low, high = result.interval
        assert low < result.metrics['mIoU'] < high


def test_finished_rows_are_kept_until_something_changes(camvid, tmp_path, monkeypatch):
    rows = list(conditions(camvid, ['light:1'], {}, [], {}, 'data/camvid'))
    first = evaluate(rows[:2], tmp_path / 'cache', limit=2)
    ran = []
    real = joint.run_condition
    monkeypatch.setattr(joint, 'run_condition', lambda row, *rest: ran.append(row.treatment) or real(row, *rest))
    again = evaluate(rows, tmp_path / 'cache', limit=2)  # an interrupted one goes on
    assert ran == ['median blur 5x5'] and [r.metrics for r in again[:2]] == [r.metrics for r in first]
    key = joint.key_of(rows[1], 2, None)
    assert key == joint.key_of(rows[1], 2, None)
    other_rain = list(conditions(camvid, ['light:2'], {}, [], {}, 'data/camvid'))[1]
    changed = {joint.key_of(other_rain, 2, None), joint.key_of(rows[1], 3, None), joint.key_of(rows[0], 2, None)}
    changed.add(joint.key_of(rows[1], 2, dict(model=dict(test_cfg=dict(mode='slide')))))
    weights = torch.load('seg.pth')
    next(iter(weights['state_dict'].values())).add_(1e-3)
    torch.save(weights, 'seg.pth')
    changed.add(joint.key_of(rows[1], 2, None))
    monkeypatch.setattr(joint, 'code_hash', lambda: 'other')
    changed.add(joint.key_of(rows[1], 2, None))
    assert len(changed) == 6 and key not in changed


def test_files_that_a_config_only_names_count_too(camvid, tmp_path):
    """A derainer in the preprocessor, annotations: other contents under the same name, another key."""
    (tmp_path / 'derainer.py').write_text("model = dict(type='mmderain.Derainer', network=dict(type='SIAN'))\n")
    (tmp_path / 'derainer.pth').write_bytes(b'1')
    (tmp_path / 'boxes.json').write_text('{}')
    node = dict(
        model=dict(data_preprocessor=dict(derainer=dict(config='derainer.py', checkpoint='derainer.pth'))),
        data=dict(dataset=dict(datasets=[dict(data_root=str(tmp_path), ann_file='boxes.json')])),
    )
    keys = {tuple(joint.contents(node))}
    for path, text in (('derainer.pth', '2'), ('boxes.json', '[]'), ('derainer.py', "model = dict(type='A')\n")):
        (tmp_path / path).write_text(text)
        keys.add(tuple(joint.contents(node)))
    assert len(keys) == 4


def test_lost_drawings_are_drawn_again_and_models_without_a_visualizer_have_none(camvid, tmp_path):
    row = next(conditions(camvid, ['light'], {}, [], {}, 'data/camvid'))
    (first,) = evaluate([row], tmp_path / 'cache', limit=2)
    assert len(first.drawn) == 2
    for name in first.drawn:
        (tmp_path / 'cache' / f'{name}.png').unlink()
    evaluate([row], tmp_path / 'cache', limit=2)
    assert all((tmp_path / 'cache' / f'{name}.png').is_file() for name in first.drawn)
    (tmp_path / 'seg.py').write_text(
        (tmp_path / 'seg.py').read_text() + "visualizer = dict(_delete_=True, type='mmengine.Visualizer')\n"
    )
    (bare,) = evaluate([row], tmp_path / 'cache', limit=2)
    assert bare.drawn == [] and bare.metrics == first.metrics
    report.gallery([row], [bare], tmp_path / 'cache', tmp_path / 'gallery')
    assert not (tmp_path / 'gallery').exists()


def test_tool_writes_the_table(camvid, tmp_path, capsys):
    done = tmp_path / 'done/images/test'
    for number in range(6):  # "derained" by a program that knows the truth
        mmcv.imwrite(mmcv.imread(f'data/camvid/images/test/{number}.jpg'), str(done / f'{number}.png'))
    tool = load_tool('joint_test')
    arguments = ['seg.py', 'seg.pth', '--rain', 'heavy', '--folder', 'oracle', str(tmp_path / 'done'), '--out', 'out']
    arguments += ['--baseline', 'same', 'seg.py', 'seg.pth']
    assert tool.main(arguments) == 0
    said = capsys.readouterr().out
    content = json.loads((tmp_path / 'out/results.json').read_text())
    by = {(r['rain'], r['treatment'], r['model']['name']): r for r in content['rows']}
    assert by[None, 'clean', 'seg']['metrics'] == by['heavy', 'oracle', 'seg']['metrics']
    assert by['heavy', 'rainy', 'seg']['metrics'] == by['heavy', 'rainy', 'same']['metrics']
    table, _, images = (tmp_path / 'out/table.md').read_text().rpartition('\n6 images.')
    assert images == '\n'
    lost = by[None, 'clean', 'seg']['metrics']['mIoU'] - by['heavy', 'rainy', 'seg']['metrics']['mIoU']
    (oracle,) = [line for line in table.splitlines() if '| oracle |' in line]
    assert ('| 100% |' in oracle) == (lost > 0)
    assert table in said and mmcv.imread(str(tmp_path / 'out/chart.png')).std() > 10
    # The gallery: of each picture what was clean, and each rain; the truth first, then every row that it belongs to.
    names = sorted(path.name for path in (tmp_path / 'out/gallery').iterdir())
    assert names == [f'{n:05d}_{n}_{rain}.png' for n in (0, 2, 3, 5) for rain in ('clean', 'heavy')]
    for rain, captions in (
        ('clean', ['truth', 'clean', 'clean, same']),
        ('heavy', ['truth', 'clean', 'rainy', 'rainy, same', 'median blur 5x5', 'oracle']),
    ):
        sheet = mmcv.imread(str(tmp_path / f'out/gallery/00002_2_{rain}.png'))
        bar = sheet.shape[0] // (len(captions) // 3) - 72  # above each picture its caption, below a gap
        tiles = {}
        for i, caption in enumerate(captions):
            top, left = i // 3 * (bar + 72) + bar - 6, i % 3 * 108 + 6
            tiles[caption] = sheet[top : top + 72, left : left + 96]
        assert (tiles['clean'] != tiles['truth']).any()
        if rain == 'heavy':
            assert (tiles['oracle'] == tiles['clean']).all() and (tiles['rainy, same'] == tiles['rainy']).all()
            assert (tiles['rainy'] != tiles['clean']).any()
            # As mmseg's own visualizer draws it.
            key = by['heavy', 'rainy', 'seg']['drawn'][1]
            assert key.endswith('/00002_2')
            assert (tiles['rainy'] == mmcv.imread(str(tmp_path / f'out/cache/{key}.png'))).all()


def test_real_rain_has_no_clean_picture(camvid, tmp_path):
    rows = list(conditions(camvid, ['none'], {}, [], {}, 'data/camvid'))
    assert [(row.rain, row.treatment) for row in rows] == [('none', 'rainy'), ('none', 'median blur 5x5')]
    rainy, median = evaluate(rows, tmp_path / 'cache', limit=2)
    assert median.psnr is None and median.ssim is None and rainy.metrics['mIoU'] > 0
    assert joint.recovery(rows, [rainy, median], 'mIoU') == [None, None]
    with pytest.raises(ValueError, match="'none' is for data whose rain is real"):
        list(conditions(camvid, ['none', 'heavy'], {}, [], {}, 'data/camvid'))


def test_recovery():
    model, rival = TaskModel('a', '', ''), TaskModel('b', '', '')
    rows = list(conditions(model, ['heavy'], {'X': {}}, [rival], {}, ''))
    values = [80, 78, 79, 40, 60, 45, 70]
    results = [Result({'mIoU': v}, None, None, None, None, (1, 1), 1) for v in values]
    names = [f'{r.treatment}/{r.model.name}' for r in rows]
    assert names == ['clean/a', 'clean/b', 'clean, then X/a', 'rainy/a', 'rainy/b', 'median blur 5x5/a', 'X/a']
    assert joint.recovery(rows, results, 'mIoU') == [None, None, None, None, 0.5, 0.125, 0.75]
    assert report.table(rows, results)[-1][:6] == ['heavy', 'X', 'a', '', '', '70.0']
    # Rain that may have taken nothing: the intervals overlap.
    for (low, high), certain in (((30, 78), False), ((30, 50), True)):
        results[3].interval, results[0].interval = (low, high), (75, 85)
        assert (joint.recovery(rows, results, 'mIoU')[4] is not None) == certain
    for wrong in (['heavy', 'heavy'], ['clean', 'light']):
        names = dict(rains=wrong) if wrong[0] == 'heavy' else dict(rains=['light'], derainers={'clean': {}})
        with pytest.raises(ValueError, match=f'must differ, found {wrong[0]} twice'):
            list(conditions(model, names['rains'], names.get('derainers', {}), [], {}, ''))
    with pytest.raises(ValueError, match='names must differ, found X twice'):
        list(conditions(model, ['heavy'], {'X': {}}, [], {'X': 'folder'}, ''))


def test_bootstrap_of_box_ap_is_pycocotools_own(tmp_path):
    """Over each image once it is the AP itself; over the first image alone that of the first image."""
    from mmdet.evaluation import CocoMetric

    rng = np.random.default_rng(0)
    metric = CocoMetric(metric='bbox')
    metric.dataset_meta = dict(classes=('a', 'b'))
    results = []
    for image in range(5):
        boxes = rng.uniform(0, 60, (4, 4))
        boxes[:, 2:] = boxes[:, :2] + 30
        labels = rng.integers(0, 2, 4)
        gt = dict(width=100, height=100, img_id=image)
        gt['anns'] = [dict(bbox_label=int(c), bbox=b.tolist()) for b, c in zip(boxes, labels, strict=True)]
        found = boxes + rng.normal(0, 2.5, boxes.shape)
        scores = rng.uniform(0.2, 1, 4)
        results.append((gt, dict(img_id=image, bboxes=found, scores=scores, labels=labels)))
    whole = metric.compute_metrics(results)['bbox_mAP']
    assert 0.2 < whole < 0.95
    figure = coco_figure(metric, results)
    # The metric prints three decimals.
    assert figure(np.arange(5)) == pytest.approx(whole, abs=6e-4)
    single = CocoMetric(metric='bbox')
    single.dataset_meta = metric.dataset_meta
    assert figure(np.array([3])) == pytest.approx(single.compute_metrics(results[3:4])['bbox_mAP'], abs=6e-4)
    # Drawn twice, an image counts twice: as if there were two of them.
    twice = [results[3], ({**results[3][0], 'img_id': 9}, {**results[3][1], 'img_id': 9}), results[1]]
    doubled = CocoMetric(metric='bbox')
    doubled.dataset_meta = metric.dataset_meta
    assert figure(np.array([3, 3, 1])) == pytest.approx(doubled.compute_metrics(twice)['bbox_mAP'], abs=6e-4)
    low, high = bootstrap(metric, results)
    assert low < whole < high
    assert (
        coco_figure(metric, [(gt, {**p, 'bboxes': np.zeros((0, 4)), 'scores': [], 'labels': []}) for gt, p in results])
        is None
    )


def test_detectors_too(tmp_path, monkeypatch):
    """A RetinaNet with random weights on boxes that it finds itself: an AP near 1 on clean pictures, less in rain."""
    from mmdet.apis import inference_detector

    monkeypatch.chdir(tmp_path)
    names = [f'{number}.png' for number in range(3)]
    for number, name in enumerate(names):
        mmcv.imwrite(picture(96, 128, number), f'data/images/{name}')
    evaluation = dict(type='CocoMetric', ann_file='data/boxes.json', metric='bbox')
    text = (
        f"_base_ = '{ROOT}/tests/data/detector.py'\n"
        "classes = dict(classes=('person', 'car', 'dog'))\n"
        'test_pipeline = _base_.test_pipeline\n'
        "test_pipeline.insert(2, dict(type='LoadAnnotations', with_bbox=True))\n"
        "test_dataloader = dict(dataset=dict(data_root='data', ann_file='boxes.json', metainfo=classes, "
        "data_prefix=dict(img='images'), pipeline=test_pipeline))\n"
        f'test_evaluator = {evaluation!r}\n'
    )
    (tmp_path / 'det.py').write_text(text)
    cfg = Config.fromfile('det.py')
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    torch.save(dict(state_dict=model.state_dict(), meta={}), 'det.pth')
    model.cfg = Config.fromfile(ROOT / 'tests/data/detector.py')
    images, annotations = [], []
    for number, name in enumerate(names):
        images.append(dict(id=number, file_name=name, width=128, height=96))
        found = inference_detector(model, f'data/images/{name}').pred_instances
        for (x1, y1, x2, y2), label in zip(found.bboxes[:4].tolist(), found.labels[:4].tolist(), strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            entry = dict(id=len(annotations) + 1, image_id=number, category_id=label + 1, bbox=box, iscrowd=0)
            annotations.append(entry | dict(area=box[2] * box[3]))
    categories = [dict(id=n + 1, name=name) for n, name in enumerate(('person', 'car', 'dog'))]
    content = dict(images=images, annotations=annotations, categories=categories)
    (tmp_path / 'data/boxes.json').write_text(json.dumps(content))
    rows = list(conditions(TaskModel('det', 'det.py', 'det.pth'), ['heavy'], {'identity': IDENTITY}, [], {}, 'data'))
    clean, clean_identity, rainy, _, identity = evaluate(rows, tmp_path / 'cache')
    # Images left out do not count as missed.
    (first_two,) = evaluate(rows[:1], tmp_path / 'cache', limit=2)
    assert first_two.images == 2 and first_two.metrics['coco/bbox_mAP'] > 0.9
    assert clean.metrics['coco/bbox_mAP'] > 0.9 > rainy.metrics['coco/bbox_mAP']
    assert clean.metrics == clean_identity.metrics and rainy.metrics == identity.metrics and clean.images == 3
    head, first, *_ = report.table(rows, [clean, clean_identity, rainy, _, identity])
    # Boxes are drawn on what the detector saw.
    drawn = mmcv.imread(str(tmp_path / 'cache' / f'{clean.drawn[0]}.png'))
    changed = (drawn != mmcv.imread('data/images/0.png')).any(-1)
    assert drawn.shape == (96, 128, 3) and 0.02 < changed.mean() < 0.9
    assert (drawn != mmcv.imread(str(tmp_path / 'cache' / f'{clean.drawn[0]}.truth.png'))).any()
    # All boxes are persons, so the AP is theirs.
    assert {annotation['category_id'] for annotation in annotations} == {1}
    assert first[head.index('person AP')] == first[head.index('AP')]
    assert float(first[head.index('AP')]) == pytest.approx(100 * clean.metrics['coco/bbox_mAP'])


def test_wrong_calls_are_named(camvid, capsys):
    tool = load_tool('joint_test')
    torch.save(dict(state_dict={'backbone.other': torch.zeros(3)}), 'other.pth')
    for arguments, error in (
        (['none.py', 'seg.pth'], 'none.py: no such file'),
        (['seg.py', 'none.pth'], 'none.pth: no such file'),
        (['seg.py', 'other.pth', '--limit', '1'], 'other.pth does not fit seg.py: backbone.'),
        (['seg.py', 'seg.pth', *['--derainer', 'X', 'seg.py', 'seg.pth'] * 2], '--derainer must differ, found X twice'),
        (['seg.py', 'seg.pth', '--rain', 'drizzle'], "found 'drizzle'"),
        (['seg.py', 'seg.pth', '--cfg-options', 'modle.x=1'], "no config has an entry 'modle'; did you mean 'model'?"),
        (['seg.py', 'seg.pth', '--derainer', 'X', 'none.py', 'seg.pth'], 'none.py: no such config file'),
        (['seg.py', 'seg.pth', '--folder', 'X', 'empty', '--limit', '1'], 'no picture 0.* for images/test/0.jpg'),
    ):
        assert tool.main(arguments) == 1 and error in capsys.readouterr().err
