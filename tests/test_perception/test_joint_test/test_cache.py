"""Finished rows are reused, and run again if a setting or a file has changed."""

import pytest
import torch

from mmderain.io import read_image
from mmderain.perception.joint_test import cache, conditions, evaluate
from mmderain.perception.joint_test.gallery import write_gallery

pytest.importorskip('mmdet', reason='mmdet is not installed')
pytest.importorskip('mmseg', reason='mmseg is not installed')


def test_finished_rows_are_reused_until_a_setting_changes(camvid, tmp_path, monkeypatch):
    rows = list(conditions(camvid, ['light:1'], {}, [], {}, 'data/camvid'))
    first = evaluate(rows[:2], tmp_path / 'cache', limit=2)
    ran = []
    real = cache.run_condition
    monkeypatch.setattr(cache, 'run_condition', lambda row, *rest: ran.append(row.treatment) or real(row, *rest))
    again = evaluate(rows, tmp_path / 'cache', limit=2)  # an interrupted evaluation continues
    assert ran == ['median blur 5x5'] and [r.metrics for r in again[:2]] == [r.metrics for r in first]
    key = cache.cache_key(rows[1], 2, None)
    assert key == cache.cache_key(rows[1], 2, None)
    other_rain = list(conditions(camvid, ['light:2'], {}, [], {}, 'data/camvid'))[1]
    changed = {cache.cache_key(row, n, None) for row, n in ((other_rain, 2), (rows[1], 3), (rows[0], 2))}
    changed.add(cache.cache_key(rows[1], 2, dict(model=dict(test_cfg=dict(mode='slide')))))
    weights = torch.load('seg.pth')
    next(iter(weights['state_dict'].values())).add_(1e-3)
    torch.save(weights, 'seg.pth')
    changed.add(cache.cache_key(rows[1], 2, None))
    monkeypatch.setattr(cache, 'code_hash', lambda: 'other')
    changed.add(cache.cache_key(rows[1], 2, None))
    assert len(changed) == 6 and key not in changed


def test_cache_key_depends_on_the_content_of_named_files(camvid, tmp_path):
    """The key changes if a config, a checkpoint or annotations have a new content in a file of the same name."""
    (tmp_path / 'derainer.py').write_text("model = dict(type='mmderain.Derainer', network=dict(type='SIAN'))\n")
    (tmp_path / 'derainer.pth').write_bytes(b'1')
    (tmp_path / 'boxes.json').write_text('{}')
    node = dict(
        model=dict(
            data_preprocessor=dict(
                type='mmderain.DerainBeforeTask', derainer=dict(config='derainer.py', checkpoint='derainer.pth')
            )
        ),
        data=dict(dataset=dict(datasets=[dict(data_root=str(tmp_path), ann_file='boxes.json')])),
    )
    keys = {tuple(cache.describe_files(node))}
    for path, text in (('derainer.pth', '2'), ('boxes.json', '[]'), ('derainer.py', "model = dict(type='A')\n")):
        (tmp_path / path).write_text(text)
        keys.add(tuple(cache.describe_files(node)))
    assert len(keys) == 4


def test_cache_key_depends_on_the_checkpoint_that_the_network_of_a_derainer_names(tmp_path):
    (tmp_path / 'network.pth').write_bytes(b'1')
    network = dict(type='SpandrelNetwork', checkpoint=str(tmp_path / 'network.pth'))
    (tmp_path / 'derainer.py').write_text(f"model = dict(type='mmderain.Derainer', network={network})\n")
    node = dict(type='mmderain.Derain', derainer=str(tmp_path / 'derainer.py'))
    before = list(cache.describe_files(node))
    assert before == list(cache.describe_files(node))
    (tmp_path / 'network.pth').write_bytes(b'2')
    assert before != list(cache.describe_files(node))


def test_lost_drawings_are_drawn_again_and_models_without_a_visualizer_have_no_drawings(camvid, tmp_path):
    row = next(conditions(camvid, ['light'], {}, [], {}, 'data/camvid'))
    (first,) = evaluate([row], tmp_path / 'cache', limit=2)
    assert len(first.drawings) == 2
    for name in first.drawings:
        (tmp_path / 'cache' / f'{name}.png').unlink()
    evaluate([row], tmp_path / 'cache', limit=2)
    assert all((tmp_path / 'cache' / f'{name}.png').is_file() for name in first.drawings)
    (tmp_path / 'seg.py').write_text(
        (tmp_path / 'seg.py').read_text() + "visualizer = dict(_delete_=True, type='mmengine.Visualizer')\n"
    )
    (bare,) = evaluate([row], tmp_path / 'cache', limit=2)
    assert bare.drawings == [] and bare.metrics == first.metrics
    write_gallery([row], [bare], tmp_path / 'cache', tmp_path / 'gallery')
    assert not (tmp_path / 'gallery').exists()


def test_images_with_names_of_250_bytes_are_drawn(camvid, tmp_path):
    for kind, suffix in (('images', 'jpg'), ('annotations', 'png')):
        folder = tmp_path / 'data/camvid' / kind / 'test'
        (folder / f'0.{suffix}').rename(folder / f'{"ä" * 123}.{suffix}')
        for number in range(1, 6):
            (folder / f'{number}.{suffix}').unlink()
    rows = list(conditions(camvid, ['heavy:4+mist:2'], {}, [], {}, 'data/camvid'))[1:2]
    results = evaluate(rows, tmp_path / 'cache')
    write_gallery(rows, results, tmp_path / 'cache', tmp_path / 'gallery')
    (figure,) = (tmp_path / 'gallery').iterdir()
    assert figure.name.startswith(f'00000_{"ä" * 55}~') and figure.name.endswith('_heavy-4+mist-2.png')
    truth, shown = (read_image(tmp_path / 'cache' / f'{results[0].drawings[0]}{end}.png') for end in ('.truth', ''))
    assert truth.shape == shown.shape and (truth != shown).any()
