"""Test sets for detectors are made from the boxes of BDD100K, and from XML files of PASCAL VOC."""

import json
import os

import pytest
from conftest import load_tool
from release_trees import make

from mmderain.datasets.converters.coco import COCO_CLASSES

tool = load_tool('prepare_dataset')


def write_xml(path, objects) -> None:
    """Write an XML file with (name, (xmin, ymin, xmax, ymax), difficult) of each object."""
    keys = ('xmin', 'ymin', 'xmax', 'ymax')
    items = [
        f'<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>'
        + ''.join(f'<{key}>{value}</{key}>' for key, value in zip(keys, corners, strict=True))
        + '</bndbox></object>'
        for name, corners, difficult in objects
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<annotation>{"".join(items)}</annotation>')


@pytest.fixture
def dawn(tmp_path):
    """Write the folder ``Rain`` of the data set DAWN, with two images; one has no XML file."""
    root = make(tmp_path / 'DAWN/Rain', ['rain_storm-001.jpg', 'rain_storm-002.jpg'])
    objects = [
        ('car', (2, 3, 9, 8), 0),
        ('person', (1, 1, 3, 9), 1),
        ('van', (1, 1, 5, 5), 0),
        ('bus', (4, 4, 4, 9), 0),
    ]
    write_xml(root / 'Rain_PASCAL_VOC/rain_storm-001.xml', objects)
    return root


@pytest.fixture
def bdd100k(tmp_path):
    """Write three images of BDD100K, of which two are rainy, and their labels."""
    root = make(tmp_path / 'bdd100k', [f'images/100k/val/{name}.jpg' for name in 'abc'])
    box = dict(x1=1.5, y1=2, x2=5.5, y2=8)
    frames = [
        dict(
            name='a.jpg',
            attributes=dict(weather='rainy'),
            labels=[
                dict(category='pedestrian', box2d=box),
                dict(category='traffic sign', box2d=box),
                dict(category='lane/crosswalk', poly2d=[]),
            ],
        ),
        dict(name='b.jpg', attributes=dict(weather='clear'), labels=[dict(category='car', box2d=box)]),
        dict(name='c.jpg', attributes=dict(weather='rainy'), labels=None),
    ]
    (root / 'labels/det_20').mkdir(parents=True)
    (root / 'labels/det_20/det_val.json').write_text(json.dumps(frames))
    return root


def test_boxes_of_xml_files_become_a_test_set(dawn, tmp_path, capsys):
    dst = tmp_path / 'data/dawn_rain'
    assert tool.main(['dawn_rain', str(dawn), str(dst)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f'{dst}: 1 images, 1 car, 1 person',
        'left out, COCO has no class van: 1 boxes',
        'left out, without area: 1 boxes',
        'left out, without an XML file: 1 images',
    ]
    content = json.loads((dst / 'test.json').read_text())
    assert content['images'] == [dict(id=1, file_name='rain_storm-001.jpg', height=12, width=16)]
    # Coordinates start at 1 in the XML file, and at 0 in COCO.
    boxes = [(item['category_id'], item['bbox'], item['area'], item['iscrowd']) for item in content['annotations']]
    assert boxes == [(3, [1, 2, 7, 5], 35, 0), (1, [0, 0, 2, 8], 16, 1)]
    assert [item['name'] for item in content['categories']] == list(COCO_CLASSES)
    assert os.path.samefile(dst / 'images/rain_storm-001.jpg', dawn / 'rain_storm-001.jpg')


def test_images_and_boxes_of_rtts_lie_in_folders_of_voc(tmp_path, capsys):
    src = make(tmp_path / 'RTTS', ['JPEGImages/AM_Bing_211.png'])
    write_xml(src / 'Annotations/AM_Bing_211.xml', [('motorbike', (1, 1, 5, 5), 0)])
    assert tool.main(['rtts', str(src), str(tmp_path / 'rtts')]) == 0
    assert '1 images, 1 motorcycle' in capsys.readouterr().out


@pytest.mark.parametrize(('weather', 'counts'), [('rainy', '2 images, 1 person'), ('clear', '1 images, 1 car')])
def test_images_of_bdd100k_are_chosen_by_weather(weather, counts, bdd100k, tmp_path, capsys):
    dst = tmp_path / weather
    assert tool.main(['bdd100k_rain', str(bdd100k), str(dst), '--weather', weather]) == 0
    message = capsys.readouterr().out
    assert f'{dst}: {counts}' in message and ('no class traffic sign: 1' in message) == (weather == 'rainy')
    content = json.loads((dst / 'test.json').read_text())
    assert [item['bbox'] for item in content['annotations']] == [[1.5, 2, 4, 6]]
    assert len(list((dst / 'images').iterdir())) == len(content['images'])


def test_classes_are_those_of_mmdet():
    mmdet = pytest.importorskip('mmdet.datasets', reason='mmdet is not installed')
    assert mmdet.CocoDataset.METAINFO['classes'] == COCO_CLASSES


def test_wrong_xml_files_give_errors_and_write_nothing(dawn, tmp_path, capsys):
    xml, dst = dawn / 'Rain_PASCAL_VOC/rain_storm-001.xml', tmp_path / 'dst'

    def error(name='dawn_rain', src=dawn):
        assert tool.main([name, str(src), str(dst)]) == 1 and not dst.exists()
        return capsys.readouterr().err

    assert 'none: no such folder' in error(src=tmp_path / 'none')
    write_xml(dawn / 'other/rain_storm-001.xml', [])
    assert 'two XML files have the same name' in error()
    (dawn / 'other/rain_storm-001.xml').unlink()
    write_xml(xml, [('van', (1, 1, 5, 5), 0)])
    assert 'the 1 images have no box of a COCO class' in error()
    write_xml(xml, [('car', (1, 1, 'x', 5), 0)])
    assert "rain_storm-001.xml: object 1 has the entries {'name': 'car'" in error()
    write_xml(xml, [('car', (1, 1, 'nan', 5), 0)])
    assert "rain_storm-001.xml: object 1 has the entries {'name': 'car'" in error()
    for text in (
        '<annotation>',
        '<?xml version="1.0" encoding="gb2312"?><a/>',
        '<?xml version="1.0" encoding="x"?><a/>',
    ):
        xml.write_text(text)
        assert 'rain_storm-001.xml: cannot be read as XML' in error()
    xml.unlink()
    assert 'found 2 images and 0 XML files, but no XML file with the name of an image' in error()
    dst.mkdir()
    (dst / 'mine.txt').write_text('mine')
    write_xml(xml, [('car', (1, 1, 5, 5), 0)])
    assert tool.main(['dawn_rain', str(dawn), str(dst)]) == 1
    assert 'dst: already exists; name another folder' in capsys.readouterr().err


def test_wrong_labels_of_bdd100k_give_errors_and_write_nothing(bdd100k, tmp_path, capsys):
    labels, dst = bdd100k / 'labels/det_20/det_val.json', tmp_path / 'dst'

    def error(*options):
        assert tool.main(['bdd100k_rain', str(bdd100k), str(dst), *options]) == 1 and not dst.exists()
        return capsys.readouterr().err

    assert "no image has the weather 'rain'; expected one of 'clear', 'rainy'" in error('--weather', 'rain')
    assert 'det_train.json: no such file; SRC must contain labels/det_20' in error('--split', 'train')
    (bdd100k / 'images/100k/val/c.jpg').unlink()
    assert 'lists this image, but the file does not exist' in error()
    for text, found in (
        ('[{"name": "a.jpg"}]', "KeyError: 'attributes'"),
        ('{', 'JSONDecodeError'),
        ('[1]', 'TypeError'),
    ):
        labels.write_text(text)
        assert f'det_val.json: {found}' in error()
