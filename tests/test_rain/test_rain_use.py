"""Rain is drawn by the transform in a pipeline, and by the command over a folder."""

import json
from pathlib import Path

import mmcv
import numpy as np
import pytest
from conftest import smooth_image

from mmderain.cli import main
from mmderain.datasets import PairedImageDataset
from mmderain.datasets.transforms import SynthesizeRain
from mmderain.errors import InputError
from mmderain.io.image import read_image
from mmderain.rain import draw_rain, synthesize_rain
from mmderain.rain.synthesis import rain_seed


def test_rain_of_the_transform_depends_on_the_path(tmp_path):
    clean = smooth_image(40, 50)
    results = dict(img=clean, ori_shape=(40, 50))
    rain = SynthesizeRain('heavy', seed=0, data_root=str(tmp_path))
    by_path = rain({**results, 'img_path': str(tmp_path / 'val/7.jpg')})
    by_name = rain({**results, 'name': 'val/7.jpg'})
    assert (by_path['img'] == by_name['img']).all() and (by_path['gt_img'] == clean).all()
    assert (by_path['img'] == synthesize_rain(clean, 'heavy', [0, 693690566], scale=40 / 320)).all()
    other = rain({**results, 'img_path': str(tmp_path / 'val/8.jpg')})
    assert (other['img'] != by_path['img']).any()
    with pytest.raises(ValueError, match='does not lie in data_root'):
        rain({**results, 'img_path': '/elsewhere/7.jpg'})
    # Without data_root, the rain depends only on the names of the file and of its folder.
    free = SynthesizeRain('heavy', seed=0)
    assert (free({**results, 'img_path': '/a/val/7.jpg'})['img'] == by_path['img']).all()


def test_transform_chooses_one_of_several_presets(tmp_path):
    clean, seen = smooth_image(40, 50), set()
    rain = SynthesizeRain(['light:1', 'mist'])
    np.random.seed(0)
    for _ in range(20):
        layer = rain(dict(img=clean, ori_shape=(40, 50)))['img'].astype(int) - clean
        seen.add(bool((layer < 0).any()))  # only mist darkens
    assert seen == {True, False}


def test_preset_none_leaves_some_images_without_rain():
    clean, dry = smooth_image(40, 50), 0
    rain = SynthesizeRain(['none', 'light:5', 'none', 'none'])
    np.random.seed(0)
    for _ in range(40):
        results = rain(dict(img=clean, ori_shape=(40, 50)))
        assert (results['gt_img'] == clean).all()
        dry += bool((results['img'] == clean).all())
    assert 22 <= dry <= 38  # 30 of 40 are expected; the bounds are 3 standard deviations away
    # With a seed, the name selects the preset: zlib.crc32(b'a') is odd, and zlib.crc32(b'd') is even.
    rain = SynthesizeRain(['none', 'light:5'], seed=0)
    for name, is_dry in (('a', False), ('d', True)):
        results = rain(dict(img=clean, ori_shape=(40, 50), name=name))
        assert (results['img'] == clean).all() == is_dry


def test_random_scale_varies_the_size_of_the_streaks_within_its_range():
    clean = smooth_image(40, 50)
    image = dict(img=clean, ori_shape=(40, 50), name='a')
    fixed = SynthesizeRain('heavy', seed=0, random_scale=(1.3, 1.3))(dict(image))['img']
    assert (fixed == draw_rain(clean, 'heavy', rain_seed(0, 'a'), 1.3 * 40 / 320).rainy).all()
    varied = {
        SynthesizeRain('heavy', seed=seed, random_scale=(0.5, 2))(dict(image))['img'].tobytes() for seed in (0, 1)
    }
    plain = SynthesizeRain('heavy', seed=0)(dict(image))['img'].tobytes()
    assert len(varied | {plain}) == 3


@pytest.mark.parametrize('random_scale', [(0, 1), (2, 1)])
def test_a_wrong_random_scale_is_refused(random_scale):
    with pytest.raises(InputError, match='random_scale must be None or'):
        SynthesizeRain(random_scale=random_scale)


def test_rain_command_writes_images_layers_and_manifest_and_continues(tmp_path, capsys):
    src, dst = tmp_path / 'src', tmp_path / 'dst'
    for number in range(3):
        mmcv.imwrite(smooth_image(40, 50, number), str(src / f'sub/{number}.jpg'))
    assert main(['rain', str(src), str(dst), '--rain', 'heavy:2']) == 0
    assert 'rain drawn over 3 of 3 images' in capsys.readouterr().out
    head, *lines = (json.loads(line) for line in (dst / 'manifest.jsonl').read_text().splitlines())
    assert (
        head['rain'] == 'heavy:2'
        and head['seed'] == 0
        and [line['name'] for line in lines] == [f'sub/{n}.jpg' for n in range(3)]
    )
    for line in lines:
        clean, rainy = read_image(src / line['name']), read_image(dst / line['rainy'])
        drawn = draw_rain(clean, 'heavy:2', line['seed'], line['scale'])
        assert (rainy == drawn.rainy).all() and json.loads(json.dumps(drawn.parameters)) == line['parameters']
        layer = read_image(dst / line['rainy'].replace('rain/', 'layer/', 1))
        assert (layer == np.clip(np.rint(drawn.layer), 0, 255)).all()
    # The transform draws the same rain, so an evaluation can use the command or the transform.
    again = SynthesizeRain('heavy:2', seed=0)(dict(img=clean, name=line['name'], ori_shape=clean.shape[:2]))['img']
    assert (again == rainy).all()
    assert len(PairedImageDataset(str(dst), pipeline=[])) == 3

    # The files of an interrupted run: the line of the second image is incomplete, and the third image is missing.
    text = (dst / 'manifest.jsonl').read_text().splitlines(keepends=True)
    (dst / 'manifest.jsonl').write_text(text[0] + text[1] + text[2][:20])
    (dst / 'rain/sub/2.png').unlink()
    before = (dst / 'rain/sub/0.png').stat().st_mtime_ns
    assert main(['rain', str(src), str(dst), '--rain', 'heavy:2']) == 0
    assert 'over 2 of 3 images; 1 finished by an earlier call' in capsys.readouterr().out
    assert (dst / 'manifest.jsonl').read_text() == ''.join(text)
    assert (dst / 'rain/sub/0.png').stat().st_mtime_ns == before

    mmcv.imwrite(smooth_image(40, 50), str(tmp_path / 'other/3.jpg'))
    for arguments, differs in (
        (
            [src, dst, '--rain', 'light', '--seed', '1'],
            'rain: found heavy:2, expected light; seed: found 0, expected 1',
        ),
        ([tmp_path / 'other', dst, '--rain', 'heavy:2'], f'source: found {src}, expected {tmp_path / "other"}'),
    ):
        assert main(['rain', *map(str, arguments)]) == 1
        assert f'was written by a run with other settings ({differs});' in capsys.readouterr().err
    # Another name of the rain counts as another setting, although the parameters are the same.
    assert main(['rain', str(tmp_path / 'other'), str(tmp_path / 'three'), '--rain', 'light']) == 0
    assert main(['rain', str(tmp_path / 'other'), str(tmp_path / 'three'), '--rain', 'light:3']) == 1
    assert 'settings (rain: found light, expected light:3);' in capsys.readouterr().err


def test_rain_command_reports_errors(tmp_path, capsys):
    src = tmp_path / 'src'
    mmcv.imwrite(smooth_image(40, 50), str(src / 'a.jpg'))
    (src / 'b.png').write_text('not an image')
    (src / 'c.png').touch()
    assert main(['rain', str(src), str(tmp_path / 'dst')]) == 1
    message = capsys.readouterr()
    assert 'over 1 of 3 images' in message.out
    assert all(f'{src / name}: cannot be read as an image' in message.err for name in ('b.png', 'c.png'))
    (tmp_path / 'texts').mkdir()
    for name in ('a.txt', 'b.txt', 'c.cr2'):
        (tmp_path / 'texts' / name).touch()
    mmcv.imwrite(smooth_image(40, 50), str(tmp_path / 'other/d.jpg'))
    for arguments, error in (
        (
            [tmp_path / 'texts', tmp_path / 'new'],
            'texts: found no images in this folder; skipped 3 files: 2 .txt, 1 .cr2 (convert raw files to TIFF or JPEG',
        ),
        ([src, tmp_path / 'new', '--rain', 'drizzle'], "found 'drizzle'; expected one of light"),
        ([src, src / 'out'], 'name a folder that is not inside'),
        ([tmp_path / 'none', tmp_path / 'new'], 'no such folder'),
        ([src / 'a.jpg', tmp_path / 'new'], 'a.jpg: is a file; expected a folder'),
        ([src.parent, src], 'is inside'),
        ([tmp_path / 'other', src / 'a.jpg'], 'is a file; name a folder'),
    ):
        assert main(['rain', *map(str, arguments)]) == 1 and error in capsys.readouterr().err
    assert not (tmp_path / 'new').exists()


def test_an_image_whose_result_has_the_name_of_another_result_is_the_only_one_that_fails(tmp_path, capsys):
    src, dst = tmp_path / 'src', tmp_path / 'dst'
    for name in ('a.jpg', 'a.png', 'sub/a.png'):
        mmcv.imwrite(smooth_image(40, 50), str(src / name))
    text = f'{src}/{{}} and {src}/a.png: both would be written to rain/a.png; use keep_suffix=True (--keep-suffix), or '
    for drawn in ('2 of 3 images', '0 of 3 images; 2 finished by an earlier call'):
        assert main(['rain', str(src), str(dst)]) == 1
        output = capsys.readouterr()
        assert f'rain drawn over {drawn}' in output.out
        assert output.err == f'error: {text.format("a.jpg")}rename one of them\n'
    names = sorted(path.relative_to(dst).as_posix() for path in (dst / 'norain').rglob('*.*'))
    assert names == ['norain/a.png', 'norain/sub/a.png']
    assert len(PairedImageDataset(str(dst), pipeline=[])) == 2
    # A new image does not replace the result of an earlier call, although its name comes first.
    before = (dst / 'rain/a.png').read_bytes()
    mmcv.imwrite(smooth_image(40, 50, 1), str(src / 'a.bmp'))
    assert main(['rain', str(src), str(dst)]) == 1
    assert f'error: {text.format("a.bmp")}' in capsys.readouterr().err
    # With --keep-suffix, the folder is completed, and PairedImageDataset finds the clean image of each rainy image.
    assert main(['rain', str(src), str(dst), '--keep-suffix']) == 0
    assert (dst / 'rain/a.png').read_bytes() == before
    pairs = {
        Path(item['img_path']).name: Path(item['gt_path']).name for item in PairedImageDataset(str(dst), pipeline=[])
    }
    assert pairs == {'a.bmp.png': 'a.bmp', 'a.jpg.png': 'a.jpg', 'a.png': 'a.png'}


def test_an_image_whose_name_another_image_has_taken_in_an_earlier_call_fails(tmp_path, capsys):
    src, dst = tmp_path / 'src', tmp_path / 'dst'
    mmcv.imwrite(smooth_image(40, 50), str(src / 'a.jpg'))
    assert main(['rain', str(src), str(dst)]) == 0
    mmcv.imwrite(smooth_image(40, 50, 1), str(src / 'a.png'))
    for options in ([], ['--keep-suffix']):
        assert main(['rain', str(src), str(dst), *options]) == 1
        assert f'error: {src}/a.png and {src}/a.jpg: both would be written to rain/a.png; ' in capsys.readouterr().err
    lines = [json.loads(line) for line in (dst / 'manifest.jsonl').read_text().splitlines()]
    assert [line.get('name') for line in lines] == [None, 'a.jpg']
