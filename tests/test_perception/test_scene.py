"""Views of a scene: clean, rainy and derained."""

import argparse
import shutil
import subprocess
import sys

import cv2
import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, smooth_image

from mmderain.apis import trained_derainer
from mmderain.cli import main
from mmderain.cli.scene import print_scenes
from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.image import read_image
from mmderain.models import Derainer, NetworkSpec
from mmderain.perception.scene import figure, view_scene
from mmderain.perception.scene_files import stream_scenes
from mmderain.perception.task import load_task_model
from mmderain.rain import draw_rain
from mmderain.registry import MODELS

STREET = ROOT / 'demo/street'


def test_default_derainer_reaches_the_scores_of_its_card():
    clean = read_image(ROOT / 'demo/sample/test/home.jpg')
    views = view_scene(clean, trained_derainer('sian'), rain='heavy', seed=0)
    figures = [measure(view.image, clean, 'PSNR-Y') for view in views[1:]]
    assert figures == pytest.approx(GOLDEN, abs=0.05)


GOLDEN = [16.093, 30.087]


@pytest.mark.usefixtures('task_models')
@pytest.mark.parametrize('frames, more', [((1, 2), 3), pytest.param(range(4), 4, marks=pytest.mark.soak)])
def test_deraining_recovers_persons(frames, more):
    """Count how many persons of the clean frame are found in the rainy frame, and how many in the derained frame."""
    task, derainer = load_task_model('street-detector'), trained_derainer('sian')
    again = {'rainy': 0, 'derained': 0}
    paths = sorted(STREET.glob('*.jpg'))
    for number in frames:
        for view in view_scene(read_image(paths[number]), derainer, task, 'heavy:2', [0, number])[1:]:
            again[view.title] += int(view.agreement.split()[0])
    assert again['derained'] >= again['rainy'] + more, again


class Spot:
    """Stand-in for a detector, which counts the values above 127."""

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
    """Network that subtracts 20 levels."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x - 20 / 255]


@pytest.fixture
def darken():
    return Derainer(dict(type='TakeTwenty'))


def test_views_show_the_input_of_the_task_model(darken):
    img = smooth_image(40, 60)
    clean, rainy, derained = view_scene(img, darken, Spot(), 'light', seed=3)
    assert np.array_equal(clean.image, img)
    assert np.array_equal(rainy.image, draw_rain(img, 'light', 3).rainy)
    assert np.array_equal(derained.image, cv2.subtract(rainy.image, np.full_like(img, 20)))
    bright = int((rainy.image > 127).sum())
    psnr, ssim = (measure(rainy.image, img, protocol) for protocol in ('PSNR-Y', 'SSIM-Y(valid)'))
    assert rainy.notes == [
        f'{bright} bright',
        f'{bright - int((img > 127).sum()):+d}',
        f'PSNR-Y {psnr:.2f} dB, SSIM-Y {ssim:.3f}',
    ]
    assert (clean.drawn[2, 2] == (0, 255, 0)).all() and len(clean.notes) == 1
    rainy, derained = view_scene(img, darken, Spot(), rain=None)
    assert np.array_equal(rainy.image, img) and len(rainy.notes) == len(derained.notes) == 1
    (rainy,) = view_scene(img, None, rain=None)
    assert rainy.notes == [] and rainy.drawn is rainy.image


def test_a_known_clean_image_adds_scores(darken):
    img, other = smooth_image(40, 50), smooth_image(40, 50, 1)
    clean, rainy, derained = view_scene(img, darken, Spot(), rain=None, clean=other)
    assert np.array_equal(clean.image, other) and np.array_equal(rainy.image, img)
    assert rainy.scores['PSNR-Y'] == measure(img, other, 'PSNR-Y') and derained.agreement
    with pytest.raises(InputError, match='clean image has 50x41 pixels, the rainy image 50x40'):
        view_scene(img, darken, rain=None, clean=smooth_image(41, 50))
    with pytest.raises(InputError, match='Remove the clean image, or draw no rain'):
        view_scene(img, darken, rain='heavy', clean=other)


def test_figure_shows_the_views_side_by_side(darken):
    views = view_scene(np.full((60, 90, 3), (200, 60, 20), np.uint8), None, Spot(), rain=None) * 3
    sheet = figure(views, width=900)
    assert sheet.shape[1] == 900 and sheet.dtype == np.uint8
    for third in range(3):  # the middle of each view has the BGR color of the image
        assert np.abs(sheet[sheet.shape[0] // 2, 300 * third + 150].astype(int) - (200, 60, 20)).max() <= 2


def test_stream_scenes_writes_the_images_of_a_folder_and_returns_errors(darken, tmp_path, capsys):
    mmcv.imwrite(smooth_image(40, 60), str(tmp_path / 'in/a.png'))
    (tmp_path / 'in/b.png').write_text('not an image')
    (tmp_path / 'in/c.mp4').write_text('no video')
    results = dict(stream_scenes([tmp_path / 'in'], tmp_path / 'out', darken, Spot(), 'light'))
    a, b, c = results.values()
    assert [view.title for view in a] == ['clean', 'rainy', 'derained']
    assert 'b.png: cannot be read' in str(b) and 'c.mp4: cannot be read as a video' in str(c)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['a.png']
    for show_traceback in (False, True):
        assert print_scenes(results.items(), 'out', argparse.Namespace(traceback=show_traceback)) == 1
        assert ('Traceback' in capsys.readouterr().err) == show_traceback
    again = dict(stream_scenes([tmp_path / 'in'], tmp_path / 'out', darken, Spot(), 'light'))
    assert 'a.png: already exists' in str(again[str(tmp_path / 'in/a.png')])


@pytest.mark.usefixtures('task_models')
def test_detect_and_segment_commands_write_figures_and_report_errors(tmp_path, capsys):
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


def test_the_commands_do_not_show_messages_of_libraries(tmp_path):
    """The test needs a new process, because a library prints its messages only when it is imported first."""
    code = (
        'import sys; from mmderain.cli import main; sys.exit(main(sys.argv[2:]) or main([sys.argv[1], *sys.argv[3:]]))'
    )
    frame = ROOT / 'demo/street/00670.jpg'
    command = [sys.executable, '-c', code, 'segment', 'detect', frame, '--out', tmp_path, '--existing', 'replace']
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'OneDL' not in done.stdout and done.stdout.startswith(str(frame))
    command = [sys.executable, '-m', 'mmderain.cli', 'segment', frame, '--out', tmp_path, '--segmentor']
    command += ['street-detector', '--existing', 'replace']
    done = subprocess.run(command, capture_output=True, text=True)
    text = 'error: street-detector: is a detector; expected a segmentor. `mmderain models TEXT --task segmentor` lists'
    assert (done.returncode, done.stdout, done.stderr) == (1, '', f'{text} them.\n')


def test_a_warning_of_torch_about_its_future_is_not_shown():
    """torch.meshgrid warns when RTMDet of mmdet runs. It warns once in a process, so the test needs new processes."""
    call = 'import torch; from mmderain.cli.libraries import quiet_libraries\nwith {}: torch.meshgrid(torch.ones(2))'
    shown = {}
    for context in ('quiet_libraries()', 'torch.no_grad()'):
        done = subprocess.run([sys.executable, '-c', call.format(context)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        shown[context] = 'torch.meshgrid: in an upcoming release' in done.stderr
    assert shown == {'quiet_libraries()': False, 'torch.no_grad()': True}
