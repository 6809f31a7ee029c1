"""Boxes are made from the label maps of CamVid."""

import json

import mmcv
import numpy as np
import pytest
from conftest import load_tool, smooth_image

from mmderain.datasets.converters.camvid import SPLITS

tool = load_tool('prepare_dataset')
CAR, PEDESTRIAN, BICYCLIST = 8, 9, 10


@pytest.fixture
def camvid(tmp_path):
    """Write one scene for each split, with two cars, a pedestrian and a tiny bicyclist.

    The pedestrian has two parts that touch only at a corner.
    """
    labels = np.full((60, 90), 3, np.uint8)
    labels[10:25, 5:35] = CAR
    labels[10:25, 40:60] = CAR
    labels[30:45, 50:58] = PEDESTRIAN
    labels[45:55, 58:66] = PEDESTRIAN
    labels[2:6, 80:85] = BICYCLIST
    for split in SPLITS:
        mmcv.imwrite(smooth_image(60, 90), str(tmp_path / f'camvid/images/{split}/0001TP.jpg'))
        mmcv.imwrite(labels, str(tmp_path / f'camvid/annotations/{split}/0001TP.png'))
    return tmp_path / 'camvid'


def test_boxes_equal_connected_regions(camvid, tmp_path, capsys):
    assert tool.main(['camvid_boxes', str(camvid), str(tmp_path / 'boxes')]) == 0
    assert 'test.json: 1 images, 2 Car, 1 Pedestrian, 0 Bicyclist; 1 smaller regions ignored' in ''.join(
        capsys.readouterr().out.split('\n')
    )
    for split in SPLITS:
        content = json.loads((tmp_path / f'boxes/{split}.json').read_text())
        assert content['images'] == [dict(id=1, file_name='0001TP.jpg', height=60, width=90)]
        found = [(a['category_id'], a['bbox'], a['area'], a['iscrowd']) for a in content['annotations']]
        # Each entry has the number of the category (from 1), [x, y, width, height], the area, and iscrowd.
        assert sorted(found) == [
            (1, [5, 10, 30, 15], 450, 0),
            (1, [40, 10, 20, 15], 300, 0),
            (2, [50, 30, 16, 25], 200, 0),
            (3, [80, 2, 5, 4], 20, 1),
        ]
        assert [c['name'] for c in content['categories']] == ['Car', 'Pedestrian', 'Bicyclist']


def test_mmdet_reads_the_boxes_with_their_ignore_flags(camvid, tmp_path):
    CocoDataset = pytest.importorskip('mmdet.datasets', reason='mmdet is not installed').CocoDataset
    assert tool.main(['camvid_boxes', str(camvid), str(tmp_path / 'boxes'), '--min-area', '250']) == 0
    metainfo = dict(classes=('Car', 'Pedestrian', 'Bicyclist'))
    data = CocoDataset(
        ann_file=str(tmp_path / 'boxes/val.json'),
        data_prefix=dict(img=str(camvid / 'images/val')),
        metainfo=metainfo,
        pipeline=[],
    )
    instances = data.get_data_info(0)['instances']
    assert [(i['bbox_label'], i['ignore_flag'], i['bbox']) for i in instances] == [
        (0, 0, [5, 10, 35, 25]),
        (0, 0, [40, 10, 60, 25]),
        (1, 1, [50, 30, 66, 55]),
        (2, 1, [80, 2, 85, 6]),
    ]


@pytest.mark.parametrize(
    'harm, error',
    [
        (lambda d: (d / 'annotations/val/0001TP.png').unlink(), 'no label map for'),
        (lambda d: (d / 'annotations/val/0001TP.png').write_text('x'), 'cannot be read as an image'),
        (
            lambda d: mmcv.imwrite(smooth_image(60, 90), str(d / 'annotations/val/0001TP.png')),
            'found uint8 of shape (60, 90, 3)',
        ),
        (
            lambda d: mmcv.imwrite(np.zeros((50, 90), np.uint8), str(d / 'annotations/val/0001TP.png')),
            'is 50x90, but its image is 60x90',
        ),
        (lambda d: (d / 'images/test/0001TP.jpg').unlink(), 'images/test: no images'),
    ],
)
def test_bad_input_gives_an_error_and_writes_nothing(camvid, tmp_path, capsys, harm, error):
    harm(camvid)
    assert tool.main(['camvid_boxes', str(camvid), str(tmp_path / 'boxes')]) == 1
    assert error in capsys.readouterr().err
    assert not (tmp_path / 'boxes').exists()
