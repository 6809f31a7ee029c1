"""Training images with the background of a test image are found and left out."""

import cv2
from conftest import ROOT
from mmengine.config import Config
from release_trees import TREES, make, prepare

from mmderain.registry import DATASETS


def test_training_images_with_test_backgrounds_are_left_out(tmp_path, capsys):
    src = make(tmp_path / 'release', TREES['rain100h'][0])
    # A test image has the background of training image 10 in another file format. Only the pixels are compared.
    leak = cv2.imread(str(src / 'rain_data_train_Heavy/norain/norain-10.png'))
    (src / 'rain_data_test_Heavy/norain-010.png').unlink()
    cv2.imwrite(str(src / 'rain_data_test_Heavy/norain-010.bmp'), leak)
    assert prepare('rain100h', src, tmp_path / 'data/rain100h') == 0
    message = capsys.readouterr().out
    assert 'background is in rain100h test set: 1, 546 expected   <- differs' in message
    assert 'list of the 2 training pairs' in message
    cfg = Config.fromfile(ROOT / 'configs/derain/sian_rain100h.py').train_dataloader.dataset
    cfg.update(data_root=str(tmp_path / 'data/rain100h/train'), patches=None, pipeline=[])
    assert [item['name'] for item in DATASETS.build(cfg)] == ['rain-11.png', 'rain-2.png']


def test_training_images_are_compared_with_named_test_sets(tmp_path, capsys):
    src = make(tmp_path / 'release', TREES['rain200l'][0])
    clean = src / 'train/norain'
    make(tmp_path / 'rain12', ['001_in.png'])
    (tmp_path / 'rain12/001_GT.png').write_bytes((clean / 'norain-7.png').read_bytes())
    assert prepare('rain12', tmp_path / 'rain12', tmp_path / 'data/rain12') == 0
    make(tmp_path / 'photographs', ['a/1.png'])
    # The pixels are compared, so the file format does not matter.
    cv2.imwrite(str(tmp_path / 'photographs/2.bmp'), cv2.imread(str(clean / 'norain-70.png')))
    capsys.readouterr()
    for folders, shared, kept in (
        (['data/rain12'], [1], ['norain-70x2.png']),
        (['photographs'], [1], ['norain-7x2.png']),
        (['data/rain12', 'photographs'], [1, 1], []),
    ):
        folders = [tmp_path / folder for folder in folders]
        assert prepare('rain200l', src, tmp_path / 'out', '--test-sets', *folders) == 0
        message = capsys.readouterr().out
        assert 'comparing backgrounds' in message  # the progress bar
        for folder, number in zip(folders, shared, strict=True):
            assert f'training pairs whose background is in {folder}: {number}\n' in message
        assert f'without_test_backgrounds.txt: list of the {len(kept)} training pairs whose' in message
        assert (tmp_path / 'out/train/without_test_backgrounds.txt').read_text().split() == kept
    assert prepare('rain200l', src, tmp_path / 'out') == 0  # without the option, nothing is compared
    assert not (tmp_path / 'out/train/without_test_backgrounds.txt').exists()


def test_wrong_test_sets_give_errors_before_anything_is_written(tmp_path, capsys):
    src = make(tmp_path / 'release', TREES['rain200l'][0])
    (tmp_path / 'empty').mkdir()
    halves = make(tmp_path / 'halves', TREES['jdnet_pairs'][0])
    assert prepare('jdnet_pairs', halves, tmp_path / 'data/jdnet_pairs') == 0
    (tmp_path / 'old').mkdir()
    (tmp_path / 'old/index.csv').write_text('img,gt\na.png,b.png\n')
    for name, source, folder, message in (
        ('rain200l', src, 'none', 'none: no such folder; name a prepared data set or a folder of clean images'),
        ('rain200l', src, 'empty', 'empty: no image; name a prepared data set or a folder of clean images'),
        ('rain200l', src, 'data/jdnet_pairs', 'index.csv lists no clean file of a test split'),
        ('rain200l', src, 'old', 'index.csv: a line lacks one of the columns set, split, img and gt'),
        ('rain12', src, 'halves', 'rain12 has no training images; omit the option'),
        ('jdnet_pairs', halves, 'halves', 'each file of jdnet_pairs contains both images of a pair'),
    ):
        assert prepare(name, source, tmp_path / 'out', '--test-sets', tmp_path / folder) == 1
        assert message in capsys.readouterr().err and not (tmp_path / 'out').exists()


def test_training_images_of_rain13k_are_compared_with_each_of_its_test_sets(tmp_path, capsys):
    src = make(tmp_path / 'release', TREES['rain13k'][0])
    (src / 'test/Test2800/target/10.png').unlink()
    cv2.imwrite(str(src / 'test/Test2800/target/10.png'), cv2.imread(str(src / 'train/Rain13K/target/1.jpg')))
    assert prepare('rain13k', src, tmp_path / 'out') == 0
    message = capsys.readouterr().out
    assert 'background is in rain13k Rain100H: 0\n' in message and 'in rain13k Test2800: 1\n' in message
    assert (tmp_path / 'out/train/without_test_backgrounds.txt').read_text() == '10.jpg\n'
