import mmcv
import numpy as np
import torch
from conftest import smooth_image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmderain.io.image import to_rgb_tensor
from mmderain.registry import VISUALIZERS
from mmderain.structures import DerainDataSample
from mmderain.visualization import panel


def sample(gt: bool = True) -> DerainDataSample:
    made = DerainDataSample(pred_img=to_rgb_tensor(smooth_image(30, 40, 1)))
    if gt:
        made.gt_img = to_rgb_tensor(smooth_image(30, 40, 2))
    return made


def build(tmp_path, backend):
    backends = [dict(type=backend, save_dir=str(tmp_path))]
    return VISUALIZERS.build(dict(type='DerainVisualizer', name=backend, vis_backends=backends))


def test_panel_has_the_images_side_by_side():
    images = {'a': smooth_image(30, 40, 0), 'b': smooth_image(30, 40, 1)}
    drawn = panel(images, gap=6)
    assert drawn.shape[1] == 2 * (40 + 12)
    assert (drawn[-36:-6, 6:46] == images['a']).all() and (drawn[-36:-6, 58:98] == images['b']).all()
    assert (drawn[:-36, :] < 128).any()  # the captions


def test_panels_show_rainy_derained_clean_and_removed_rain(tmp_path):
    rainy = smooth_image(30, 40, 0)
    drawn = build(tmp_path, 'LocalVisBackend').add_datasample('a/one', rainy[..., ::-1], sample(), step=3)
    tiles = [drawn[-36:-6, 6 + 52 * k : 46 + 52 * k, ::-1] for k in range(4)]
    removed = np.clip(128 + (rainy.astype(int) - smooth_image(30, 40, 1)) // 2, 0, 255)
    for tile, expected in zip(tiles, (rainy, smooth_image(30, 40, 1), smooth_image(30, 40, 2), removed), strict=True):
        assert (tile == expected).all()
    (written,) = tmp_path.rglob('a_one_3.png')
    assert (mmcv.imread(str(written))[..., ::-1] == drawn).all()


def test_panel_without_a_clean_image_has_three_images(tmp_path):
    drawn = build(tmp_path, 'LocalVisBackend').add_datasample('one', smooth_image(30, 40), sample(gt=False))
    assert drawn.shape[1] == 3 * 52


def test_panel_is_written_to_tensorboard(tmp_path):
    visualizer = build(tmp_path, 'TensorboardVisBackend')
    drawn = visualizer.add_datasample('one', smooth_image(30, 40), sample(), step=5)
    visualizer.close()
    events = EventAccumulator(str(tmp_path / 'vis_data') if (tmp_path / 'vis_data').exists() else str(tmp_path))
    events.Reload()
    (image,) = events.Images('one')
    assert image.step == 5
    shown = mmcv.imfrombytes(image.encoded_image_string)[..., ::-1]
    assert (shown == drawn).all() and torch.is_tensor(sample().pred_img)


def test_panels_of_images_with_any_name_are_written(tmp_path):
    visualizer = build(tmp_path, 'LocalVisBackend')
    for name in ('bytes\udcff', 'two words', 'ä' * 120, '雨/' + 'x' * 250):
        visualizer.add_datasample(f'val_{name}', smooth_image(30, 40), sample(), step=3)
    written = sorted(path.name for path in tmp_path.rglob('*.png'))
    expected = ['val_bytes__3.png', 'val_two_words_3.png', f'{"ä" * 100}_3.png', f'{"x" * 200}_3.png']
    assert written == sorted(expected)
