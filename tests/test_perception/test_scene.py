"""Detectors and segmentors on single pictures, and the same scene clean, rainy and derained."""

import shutil
from types import SimpleNamespace

import cv2
import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool, picture
from mmengine.config import Config
from mmengine.structures import InstanceData, PixelData
from torchvision.ops import box_iou

from mmderain.apis import trained_derainer
from mmderain.cli import main
from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.hub import bundled_models, find_derainer
from mmderain.hub import index as model_index
from mmderain.io.image import DecodedImage, read_image
from mmderain.io.video import read_frames, write_frames
from mmderain.models import Derainer
from mmderain.perception.scene import figure, show_scenes, view_scene
from mmderain.perception.task import TaskInferencer, load_task_model
from mmderain.rain import draw_rain
from mmderain.registry import MODELS

STREET = ROOT / 'demo/street'


# --- what comes along ----------------------------------------------------------------------------


@pytest.mark.parametrize('name', bundled_models())
def test_weights_are_the_ones_that_were_shipped(name, tmp_path, monkeypatch):
    entry = bundled_models()[name]
    assert entry.weights().stat().st_size < 6e6 and entry.kind in ('derainer', 'detector', 'segmentor')
    (tmp_path / entry.file).write_bytes(entry.weights().read_bytes()[:-1] + b'?')
    monkeypatch.setattr(model_index, 'WEIGHTS', tmp_path)
    with pytest.raises(InputError, match=f'{entry.file}: expected SHA-256 {entry.sha256}, found'):
        entry.weights()


def test_the_derainer_is_as_good_as_its_card_says():
    clean = read_image(ROOT / 'demo/sample/test/home.jpg')
    views = view_scene(clean, trained_derainer('sian'), rain='heavy', seed=0)
    figures = [measure(view.picture, clean, 'PSNR-Y') for view in views[1:]]
    assert figures == pytest.approx(GOLDEN, abs=0.05)


GOLDEN = [16.093, 30.087]


def test_the_detector_finds_what_moved():
    """Boxes of a frame that it was not trained on, beside those of background subtraction, looked at by eye."""
    task = load_task_model('street-detector')
    assert (task.kind, task.classes, task.score_threshold) == ('detector', ('person',), 0.3)
    found = task(read_image(STREET / '00610.jpg')).pred_instances
    found = found[found.scores >= task.score_threshold]
    truth = torch.tensor(
        [[148, 143, 24, 68], [8, 184, 35, 69], [506, 189, 36, 86], [716, 230, 45, 99], [528, 293, 58, 108]]
        + [[641, 304, 29, 110], [347, 427, 52, 149]]
    )
    overlap = box_iou(torch.cat([truth[:, :2], truth[:, :2] + truth[:, 2:]], 1).float(), found.bboxes)
    assert (overlap.max(1).values > 0.5).all() and len(found) <= 8


def test_the_segmentor_finds_what_moved():
    task = load_task_model('street-segmentor')
    assert (task.kind, task.classes) == ('segmentor', ('background', 'person'))
    labels = task(read_image(STREET / '00610.jpg')).pred_sem_seg.data[0].numpy()
    assert labels.shape == (576, 768) and 0.01 < labels.mean() < 0.05


def test_deraining_brings_persons_back():
    """Over the four frames: of the persons found in the clean frame, how many in the rainy and in the derained one."""
    task, derainer = load_task_model('street-detector'), trained_derainer('sian')
    again = {'rainy': 0, 'derained': 0}
    for number, path in enumerate(sorted(STREET.glob('*.jpg'))):
        for view in view_scene(read_image(path), derainer, task, 'heavy:2', [0, number])[1:]:
            again[view.title] += int(view.agreement.split()[0])
    assert again['derained'] >= again['rainy'] + 4, again


# --- counting and drawing ------------------------------------------------------------------------


def bare(kind, classes, threshold=0.3):
    task = TaskInferencer.__new__(TaskInferencer)
    task.kind, task.classes, task.score_threshold = kind, classes, threshold
    return task


def boxes(*lines):
    """Of x0, y0, x1, y1, label, score."""
    table = torch.tensor(lines, dtype=torch.float32).reshape(-1, 6)
    instances = InstanceData(bboxes=table[:, :4], labels=table[:, 4].long(), scores=table[:, 5])
    return SimpleNamespace(pred_instances=instances)


def labels(rows):
    return SimpleNamespace(pred_sem_seg=PixelData(data=torch.tensor(rows)[None]))


def test_boxes_are_counted_above_the_threshold():
    task = bare('detector', ('person', 'bus', 'dog'))
    found = boxes([0, 0, 9, 9, 0, 0.9], [0, 0, 9, 9, 1, 0.5], [20, 0, 29, 9, 1, 0.4], [0, 0, 9, 9, 2, 0.29])
    assert task.caption(found) == '1 person, 2 buses; mean score 0.60'
    assert task.caption(boxes([0, 0, 9, 9, 0, 0.1])) == task.caption(boxes()) == 'nothing found'
    # One is met, one of another class, one too far off, one not sure enough.
    again = boxes([1, 0, 10, 9, 0, 0.8], [0, 0, 9, 9, 0, 0.9], [26, 0, 35, 9, 1, 0.9], [0, 0, 9, 9, 1, 0.2])
    assert task.agreement(again, found) == '1 of the clean 3'
    assert task.agreement(found, found) == '3 of the clean 3' and task.agreement(boxes(), boxes()) == '0 of the clean 0'


def test_labels_are_counted_as_shares():
    task = bare('segmentor', ('road', 'person', 'sky'))
    assert task.caption(labels([[0, 0, 0], [0, 0, 1]])) == 'road 83.3%, person 16.7%'
    assert task.agreement(labels([[0, 0, 2], [0, 1, 1]]), labels([[0, 0, 0], [0, 1, 1]])) == 'mIoU with the clean 87.5'


class Spot:
    """A detector's stand-in: how many pixels are brighter than half."""

    kind = 'detector'

    def __call__(self, img):
        return int((img > 127).sum())

    def draw(self, img, found):
        return cv2.rectangle(img.copy(), (2, 2), (12, 12), (0, 255, 0), 2)

    def caption(self, found):
        return f'{found} bright'

    def agreement(self, found, reference):
        return f'{found - reference:+d}'


@MODELS.register_module()
class TakeTwenty(torch.nn.Module):
    """Takes 20 levels away."""

    def forward(self, x):
        return [x - 20 / 255]


@pytest.fixture
def darken():
    return Derainer(dict(type='TakeTwenty'))


def test_views_are_of_what_the_task_model_saw(darken):
    img = picture(40, 60)
    clean, rainy, derained = view_scene(img, darken, Spot(), 'light', seed=3)
    assert np.array_equal(clean.picture, img)
    assert np.array_equal(rainy.picture, draw_rain(img, 'light', 3).rainy)
    assert np.array_equal(derained.picture, cv2.subtract(rainy.picture, np.full_like(img, 20)))
    bright = int((rainy.picture > 127).sum())
    psnr, ssim = (measure(rainy.picture, img, protocol) for protocol in ('PSNR-Y', 'SSIM-Y(valid)'))
    assert rainy.notes == [
        f'{bright} bright',
        f'{bright - int((img > 127).sum()):+d}',
        f'PSNR-Y {psnr:.2f} dB, SSIM-Y {ssim:.3f}',
    ]
    assert (clean.drawn[2, 2] == (0, 255, 0)).all() and len(clean.notes) == 1
    rainy, derained = view_scene(img, darken, Spot(), rain=None)
    assert np.array_equal(rainy.picture, img) and len(rainy.notes) == len(derained.notes) == 1
    (rainy,) = view_scene(img, None, rain=None)
    assert rainy.notes == [] and rainy.drawn is rainy.picture


def test_a_clean_picture_beside_the_rainy_one(darken):
    img, other = picture(40, 50), picture(40, 50, 1)
    clean, rainy, derained = view_scene(img, darken, Spot(), rain=None, clean=other)
    assert np.array_equal(clean.picture, other) and np.array_equal(rainy.picture, img)
    assert rainy.figures['PSNR-Y'] == measure(img, other, 'PSNR-Y') and derained.agreement
    with pytest.raises(InputError, match='clean picture has 50x41 pixels, the rainy one 50x40'):
        view_scene(img, darken, rain=None, clean=picture(41, 50))
    with pytest.raises(InputError, match='take the second picture away, or draw no rain'):
        view_scene(img, darken, rain='heavy', clean=other)


def test_figure_shows_the_views_side_by_side(darken):
    views = view_scene(np.full((60, 90, 3), (200, 60, 20), np.uint8), None, Spot(), rain=None) * 3
    sheet = figure(views, width=900)
    assert sheet.shape[1] == 900 and sheet.dtype == np.uint8
    for third in range(3):  # the colour of each view, in BGR, in its middle
        assert np.abs(sheet[sheet.shape[0] // 2, 300 * third + 150].astype(int) - (200, 60, 20)).max() <= 2


def test_scenes_of_a_folder(darken, tmp_path):
    mmcv.imwrite(picture(40, 60), str(tmp_path / 'in/a.png'))
    (tmp_path / 'in/b.png').write_text('no picture')
    (tmp_path / 'in/c.mp4').write_text('no video')
    results = show_scenes([tmp_path / 'in'], tmp_path / 'out', darken, Spot(), 'light')
    a, b, c = results.values()
    assert [view.title for view in a] == ['clean', 'rainy', 'derained']
    assert 'b.png: cannot be read' in b and 'c.mp4: is a video; expected a picture' in c
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['a.png']
    with pytest.raises(InputError, match='a.png: already exists'):
        show_scenes([tmp_path / 'in'], tmp_path / 'out', darken, Spot(), 'light')


def test_sixteen_bits_become_eight():
    deep = DecodedImage(np.array([[[0, 257, 65535]]], np.uint16))
    assert deep.to_uint8().tolist() == [[[0, 1, 255]]] and deep.to_uint8().dtype == np.uint8


# --- loading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'model, weights, said',
    [
        (
            'street-detecter',
            None,
            "no detector or segmentor is called 'street-detecter'; did you mean 'street-detector'",
        ),
        ('sian', None, 'sian: is a derainer; expected a detector or segmentor'),
        ('gone.py', None, 'gone.py: no such config file'),
        ('mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py', None, 'no checkpoint is named and none is bundled'),
        ('mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py', 'gone.pth', 'gone.pth: no such checkpoint file'),
        (str(ROOT / 'configs/derain/sian_sample.py'), 'gone.pth', "expected 'mmdet' or 'mmseg'"),
    ],
)
def test_what_cannot_be_loaded_is_said(model, weights, said):
    with pytest.raises((InputError, FileNotFoundError), match=said):
        load_task_model(model, weights)


def test_weights_of_another_model_are_refused():
    other = bundled_models()['street-segmentor'].weights()
    with pytest.raises(InputError, match='street_segmentor.pth does not fit .*atss_r18_street.py'):
        load_task_model(ROOT / 'configs/perception/atss_r18_street.py', other)
    with pytest.raises(InputError, match='street-detector: is a detector; expected a derainer'):
        find_derainer('street-detector')


def test_a_derainer_in_the_config_is_part_of_the_model(tmp_path):
    """The chain of a user's config and the picture derained beforehand give one answer."""
    (tmp_path / 'chain.py').write_text(
        f"_base_ = '{ROOT}/configs/perception/atss_r18_street.py'\n"
        'test_pipeline = _base_.test_pipeline\n'
        "test_pipeline.insert(1, dict(type='mmderain.Derain', config='sian'))\n"
        'test_dataloader = dict(dataset=dict(pipeline=test_pipeline))\n'
    )
    weights = bundled_models()['street-detector'].weights()
    rainy = draw_rain(read_image(STREET / '00740.jpg')[100:324, 60:380], 'heavy', 0).rainy
    chained = load_task_model(tmp_path / 'chain.py', weights)(rainy)
    (view,) = view_scene(rainy, trained_derainer('sian'), None, rain=None)[1:]
    plain = load_task_model('street-detector')(view.picture)
    assert torch.equal(chained.pred_instances.scores, plain.pred_instances.scores)
    assert len(plain.pred_instances) > 0


# --- commands, demos, labels ---------------------------------------------------------------------


def test_commands(tmp_path, capsys):
    shutil.copy(STREET / '00610.jpg', tmp_path / 'a.jpg')
    small = read_image(tmp_path / 'a.jpg')[100:324, 60:380]
    mmcv.imwrite(small, str(tmp_path / 'in/small.png'))
    for command, kind in (('detect', 'person'), ('segment', 'background')):
        assert main([command, str(tmp_path / 'in'), '--out', str(tmp_path / command), '--rain', 'light']) == 0
        out = capsys.readouterr().out
        assert all(word in out for word in ('clean', 'rainy', 'derained', 'PSNR-Y', kind))
        assert read_image(tmp_path / command / 'small.png').shape[1] == 2000
    assert main(['detect', str(tmp_path / 'in'), '--out', str(tmp_path / 'x'), '--detector', 'street-segmentor']) == 1
    assert 'street-segmentor: is a segmentor; expected a detector' in capsys.readouterr().err
    assert main(['detect', str(tmp_path / 'in'), '--out', str(tmp_path / 'x'), '--rain', 'drizzle']) == 1
    assert "found 'drizzle'" in capsys.readouterr().err
    assert not (tmp_path / 'x').exists()


def test_frames_become_a_video_whole_or_not_at_all(tmp_path):
    frames = [picture(48, 64, seed) for seed in range(5)]
    assert not write_frames(iter(frames), tmp_path / 'new/a.mp4', 8)  # no sound
    read, rate = read_frames(tmp_path / 'new/a.mp4')
    read = list(read)
    assert rate == pytest.approx(8) and len(read) == 5
    assert all(measure(a, b, 'PSNR-Y') > 25 for a, b in zip(read, frames, strict=True))

    def breaks():
        yield frames[0]
        raise RuntimeError('no more')

    with pytest.raises(RuntimeError):
        write_frames(breaks(), tmp_path / 'new/b.mp4', 8)
    for arguments, said in (
        ((frames, tmp_path / 'c.avi', 8), 'ends in .mp4'),
        (([], tmp_path / 'd.mp4', 8), 'no frames'),
    ):
        with pytest.raises(InputError, match=said):
            write_frames(*arguments)
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['a.mp4'] and not (tmp_path / 'd.mp4').exists()


def test_labels_of_a_still_cameras_video(tmp_path, capsys):
    """A dark figure walks over a grey square; a wide thing passes once."""
    tool = load_tool('prepare_dataset')
    frames = []
    for t in range(20):
        frame = np.full((120, 200, 3), 150, np.uint8)
        frame[40:90, 8 * t : 8 * t + 18] = 30
        if t == 15:
            frame[100:110, 20:80] = 250
        frames.append(frame)
    video = tmp_path / 'a.mp4'
    write_frames(frames, video, 10)
    assert tool.main(['street', str(video), str(tmp_path / 'out'), '--step', '1', '--test-from', '12']) == 0
    said = capsys.readouterr().out
    assert 'train: 12 images, 12 persons, 0 uncertain' in said and 'test: 8 images, 8 persons, 1 uncertain' in said
    content = mmcv.imread(str(tmp_path / 'out/annotations/test/00015.png'), 'unchanged')
    assert content[65, 8 * 15 + 9] == 1 and content[105, 50] == 255 and content[5, 5] == 0
    found = Config.fromfile(tmp_path / 'out/test.json')
    first = found.annotations[0]
    assert first.iscrowd == 0 and np.abs(np.array(first.bbox) - (96, 40, 18, 50)).max() <= 3
    assert tool.main(['street', str(video), str(tmp_path / 'out')]) == 1
    assert 'already exists' in capsys.readouterr().err
    assert tool.main(['street', str(video), str(tmp_path / 'b'), '--test-from', '900']) == 1
    assert 'leaves 4 of 4 frames' in capsys.readouterr().err and not (tmp_path / 'b').exists()
