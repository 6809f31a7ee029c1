import numpy as np
import pytest
from conftest import smooth_image

from mmderain.datasets.transforms import (
    PackDerainInputs,
    PairedRandomCrop,
    PairedRandomFlip,
    PairedRandomRotate90,
    SynthesizeRain,
)


def results(height=30, width=40):
    gt = np.clip(smooth_image(height, width), 0, 200)
    return dict(img=gt + 5, gt_img=gt, img_path='7.png', name='7.png', ori_shape=(height, width))


@pytest.mark.parametrize(
    'transform',
    [PairedRandomCrop(16), PairedRandomCrop((8, 24)), PairedRandomFlip(), PairedRandomFlip(0.5, 'vertical'),
     PairedRandomRotate90()],
    ids=repr,
)  # fmt: skip
def test_transforms_keep_pairs_aligned_and_vary_their_results(transform):
    outcomes = set()
    for _ in range(40):
        out = transform(results())
        assert (out['img'] - out['gt_img'] == 5).all()
        assert out['img'].flags.c_contiguous and out.get('img_shape', (30, 40)) == out['img'].shape[:2]
        outcomes.add(out['img'].tobytes())
    assert len(outcomes) >= (4 if isinstance(transform, PairedRandomRotate90) else 2)


def test_flips_and_rotations_equal_those_of_numpy():
    img = results()['img']
    assert (PairedRandomFlip(1.0)(results())['img'] == img[:, ::-1]).all()
    assert (PairedRandomFlip(1.0, 'vertical')(results())['img'] == img[::-1]).all()
    assert (PairedRandomFlip(0.0)(results())['img'] == img).all()
    turned = {PairedRandomRotate90()(results())['img'].tobytes() for _ in range(40)}
    assert turned == {np.rot90(img, k).tobytes() for k in range(4)}


def test_crop_is_a_part_of_the_image_and_reaches_its_edges():
    img, tops = results(12, 40)['img'], set()
    for _ in range(60):
        crop = PairedRandomCrop((10, 40))(results(12, 40))['img']
        (top,) = (t for t in range(3) if (crop == img[t : t + 10]).all())
        tops.add(top)
    assert tops == {0, 1, 2}


def test_errors_for_a_large_crop_and_a_wrong_direction_say_what_was_found():
    with pytest.raises(ValueError, match='7.png: 30x40 pixels, smaller than the crop of 32x32'):
        PairedRandomCrop(32)(results())
    with pytest.raises(ValueError, match="found 'diagonal'"):
        PairedRandomFlip(direction='diagonal')


def test_synthetic_rain_keeps_the_clean_image():
    out = SynthesizeRain('heavy')(results())
    assert (out['gt_img'] == results()['img']).all()
    assert (out['img'].astype(int) >= out['gt_img']).all() and (out['img'] != out['gt_img']).any()


def test_distorted_images_are_rounded_and_clipped_before_rain_is_drawn():
    """The photometric distortions of mmdet and mmseg return fractions and values outside of 0 to 255, in float32."""
    exact = smooth_image(20, 24)
    results = dict(img=exact.astype(np.float32) + 0.3, img_path='7.png', ori_shape=(20, 24))
    results['img'][0, 0] = [-9, 300, 7]
    exact[0, 0] = [0, 255, 7]
    step = SynthesizeRain('heavy', seed=0)
    expected = step(dict(img=exact, img_path='7.png', ori_shape=(20, 24)))['img']
    found = step(results)['img']
    assert found.dtype == np.float32 and (found == expected).all()


def test_rain_with_a_seed_depends_only_on_seed_and_name():
    def rain(seed, name='7.png'):
        np.random.seed(np.random.randint(1000))
        return SynthesizeRain('heavy', seed)(results() | dict(name=name, img_path='/elsewhere/' + name))['img']

    assert (rain(0) == rain(0)).all()
    assert (rain(0) != rain(1)).any() and (rain(0) != rain(0, '8.png')).any()
    assert (rain(None) != rain(None)).any()


def test_images_and_metadata_are_packed():
    packed = PackDerainInputs()(results())
    assert packed['inputs'].shape == (3, 30, 40) and packed['inputs'][2, 3, 4] == results()['img'][3, 4, 2]
    sample = packed['data_samples']
    assert sample.name == '7.png' and sample.ori_shape == (30, 40) and sample.gt_img.shape == (3, 30, 40)
    assert 'gt_img' not in PackDerainInputs()({k: v for k, v in results().items() if k != 'gt_img'})['data_samples']
