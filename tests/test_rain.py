import json
import subprocess
import sys

import cv2
import mmcv
import numpy as np
import pytest
from conftest import ROOT, load_tool, picture, shared

from mmderain.cli import main
from mmderain.datasets import PairedImageDataset
from mmderain.datasets.pairing import list_images
from mmderain.datasets.transforms import SynthesizeRain
from mmderain.evaluation import measure
from mmderain.io.image import read_image
from mmderain.rain import PRESETS, StreakPreset, draw_rain, parse_rain, synthesize_rain
from mmderain.rain.drops import Drop, draw_drops
from mmderain.rain.mist import FARTHEST, NEAREST, Mist, draw_mist, gradient_depth
from mmderain.rain.streaks import StreakLayer, Streaks, draw_streaks, line_kernel

# --- streaks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', ['light', 'heavy', 'varied-light', 'varied-heavy'])
def test_streaks_are_grey_added_and_clipped(name):
    clean = picture(60, 80)
    rainy, layer = synthesize_rain(clean, name, 1, return_layer=True)
    assert layer.shape == (60, 80, 3) and layer.min() >= 0 and layer.max() > 20
    assert np.allclose(layer, layer[..., :1], atol=1e-4)
    assert (rainy == np.clip(np.rint(clean + layer), 0, 255)).all()


def test_kernel_is_a_streak_of_that_length_width_and_angle():
    kernel = line_kernel(20, 0.8, 0)
    assert kernel.max() == 1 and np.allclose(kernel, kernel[:, ::-1]) and np.allclose(kernel, kernel[::-1])
    centre = kernel.shape[0] // 2
    # Full strength to three quarters of the half length, nothing beyond it; Gaussian across.
    assert (kernel[centre - 7 : centre + 8, centre] == 1).all() and kernel[centre + 10, centre] == 0
    assert kernel[centre, centre + 1] == pytest.approx(np.exp(-1 / (2 * 0.8**2)), rel=1e-6)
    assert np.allclose(line_kernel(20, 0.8, 90), kernel.T, atol=1e-6)


def test_the_light_of_streaks_is_density_times_amplitude_times_kernel():
    layer = StreakLayer(density=0.01, length=20, sigma=0.8, angle=10, amplitude=30, variety=0.8)
    drawn = draw_streaks(600, 800, Streaks((layer,), None), np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(0.01 * 30 * line_kernel(20, 0.8, 10).sum(), rel=0.03)
    # Of independent streaks: variance = density * E[peak^2] * sum of the kernel's squares.
    square = 0.01 * 30**2 * (1 + 0.8**2) * (line_kernel(20, 0.8, 10) ** 2).sum()
    assert drawn.var() == pytest.approx(square, rel=0.05)


def test_overlapping_streaks_approach_the_ceiling():
    layer = StreakLayer(density=0.05, length=20, sigma=0.8, angle=0, amplitude=60, variety=0.8)
    free, bound = (
        draw_streaks(100, 100, Streaks((layer,), ceiling), np.random.default_rng(0)) for ceiling in (None, 100.0)
    )
    assert np.allclose(bound, 100 * (1 - np.exp(-free / 100)), atol=1e-4) and bound.max() < 100 < free.max()


def test_streaks_grow_with_the_picture():
    one = StreakPreset((1, 1), (0.001, 0.001), (30, 30), (0.7, 0.7), (50, 50), 0, 0)
    clean = np.zeros((600, 300, 3), np.uint8)

    def half_length(scale):
        layer = draw_rain(clean, one, 0, scale).layer[..., 0]
        layer = layer - layer.mean()
        correlation = [np.mean(layer[: -lag or None] * layer[lag:]) for lag in range(60)]
        return np.argmax(np.array(correlation) < correlation[0] / 2)

    assert half_length(2) == pytest.approx(2 * half_length(1), abs=2)


@pytest.mark.parametrize('preset', ['light', 'heavy'])
def test_rain_is_as_strong_on_large_pictures(preset):
    small, large = (
        np.mean([draw_rain(np.zeros((*size, 3), np.uint8), preset, seed).layer.mean() for seed in range(12)])
        for size in ((320, 480), (960, 1440))
    )
    assert large == pytest.approx(small, rel=0.05)


# --- mist and drops --------------------------------------------------------------------------------


def test_mist_is_the_scattering_equation():
    clean = picture(40, 50).astype(np.float32)
    depth = np.linspace(1, 300, 40 * 50, dtype=np.float32).reshape(40, 50)
    misty = draw_mist(clean, Mist(beta=0.01, airlight=0.9, horizon=0.5), depth)
    t = np.exp(-0.01 * depth)[..., None]
    assert np.allclose(misty, clean * t + 0.9 * 255 * (1 - t), atol=1e-3)


def test_depth_without_a_map():
    depth = gradient_depth(1000, 3, horizon=0.4)
    assert depth[-1, 0] == pytest.approx(NEAREST, rel=0.01) and (depth[:401] == pytest.approx(FARTHEST, rel=0.01))
    # Equal ratios: half way up to the horizon lies the geometric mean.
    assert depth[700, 1] == pytest.approx((NEAREST * FARTHEST) ** 0.5, rel=0.01)
    assert (np.diff(depth[:, 0]) <= 0).all()


def test_a_drop_shows_the_background_turned_and_magnified():
    clean = np.zeros((101, 101, 3), np.float32)
    clean[48:53, 60:64] = 200  # right of the centre
    round_drop = Drop(0.5, 0.5, radius=30, flatness=1, wobble=((0, 0),), magnification=1.5, opacity=1)
    drawn = draw_drops(clean, [round_drop])[..., 0]
    # What the drop shows lies left of the centre, half again as far from it, and blurred.
    assert 50 - np.argmax(drawn[50]) == pytest.approx(1.5 * (61.5 - 50), abs=1) and drawn[50, 61] < 20
    # Outside the drop nothing changes.
    outside = np.hypot(*(np.mgrid[:101, :101] - 50)) > 31
    assert (drawn[outside] == clean[..., 0][outside]).all()


def test_drops_at_the_border_and_in_small_pictures():
    drop = Drop(0.0, 1.0, radius=12, flatness=0.8, wobble=((0.1, 1),) * 3, magnification=1.2, opacity=0.9)
    drawn = draw_drops(picture(9, 7).astype(np.float32), [drop])
    assert drawn.shape == (9, 7, 3) and np.isfinite(drawn).all() and drawn.min() >= 0 and drawn.max() <= 255


# --- names, severities, mixtures, seeds ------------------------------------------------------------


def test_seed_decides():
    clean = picture(50, 60)
    for name in PRESETS:
        a, b, c = (synthesize_rain(clean, name, seed) for seed in (7, 7, [7, 1]))
        assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_a_mixture_is_mist_then_streaks_then_drops():
    clean = picture(80, 90)
    mist, streaks = (draw_rain(clean, name, 3) for name in ('mist', 'heavy:2'))
    both = draw_rain(clean, 'heavy:2+mist', 3)
    # Each has a random stream of its own, so both are where they are alone.
    assert np.allclose(both.layer, mist.layer + streaks.layer, atol=1e-3)
    all_three = draw_rain(clean, 'drops+heavy:2+mist', 3)
    assert [next(iter(part)) for part in all_three.parameters] == ['mist', 'streaks', 'drops']
    through = np.clip(clean + both.layer, 0, 255)
    drops = [Drop(**drop) for drop in all_three.parameters[2]['drops']]
    assert np.allclose(clean + all_three.layer, draw_drops(through, drops), atol=1e-3)


def test_the_parameters_are_those_drawn():
    drawn = draw_rain(picture(80, 90), 'heavy', 3)
    (parameters,) = drawn.parameters
    (streaks,) = json.loads(json.dumps(parameters))['streaks']
    layers = tuple(StreakLayer(**layer) for layer in streaks['layers'])
    again = PRESETS['heavy'].sample(np.random.default_rng([3, 1, 0]), 80 / 320)
    assert Streaks(layers, streaks['ceiling']) == again


@pytest.mark.parametrize('name', PRESETS)
def test_severities_are_ordered_and_3_is_the_preset(name):
    clean = read_image(ROOT / 'demo/sample/test/coffee.jpg')
    figures = [
        np.mean([measure(draw_rain(clean, f'{name}:{s}', i).rainy, clean, 'PSNR-Y') for i in range(4)])
        for s in range(1, 6)
    ]
    assert all(a > b + 0.5 for a, b in zip(figures, figures[1:], strict=False)), figures
    assert parse_rain(f'{name}:3') == parse_rain(name) == [PRESETS[name].scaled(1.0)]


@pytest.mark.parametrize('rain', ['drizzle', 'heavy:0', 'heavy:6', 'heavy:', 'heavy:3:3', 'heavy+', ''])
def test_wrong_names_are_refused(rain):
    with pytest.raises(ValueError, match='expected one of light, heavy, varied-light, .*, drops, with :1 to :5'):
        parse_rain(rain)


def test_wrong_arrays_are_refused():
    with pytest.raises(ValueError, match='found float64'):
        synthesize_rain(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match=r'found uint8 \(0, 4, 3\)'):
        synthesize_rain(np.zeros((0, 4, 3), np.uint8))
    for depth in (np.ones((3, 4)), np.full((4, 4), np.nan), np.full((4, 4), -1.0)):
        with pytest.raises(ValueError, match=r'depth must be \(4, 4\), finite'):
            draw_rain(np.zeros((4, 4, 3), np.uint8), 'mist', depth=depth)
    for rain in (None, 3, ['heavy']):
        with pytest.raises(ValueError, match='expected a name, a preset, or several presets'):
            parse_rain(rain)


def test_same_bits_in_any_process_and_with_any_threads(tmp_path):
    """Bit equality of one picture's rain across processes and OpenCV's thread counts."""
    code = (
        'import sys, cv2, zlib; cv2.setNumThreads(int(sys.argv[1]))\n'
        'from mmderain.rain import draw_rain\n'
        'image = cv2.imread(sys.argv[2])\n'
        'print(*(zlib.crc32(draw_rain(image, r, 5).rainy) for r in ("light", "heavy:5+mist+drops")))'
    )
    path = ROOT / 'demo/sample/test/home.jpg'
    outs = {
        subprocess.run([sys.executable, '-c', code, n, path], capture_output=True, text=True, check=True).stdout
        for n in ('1', '2', '4')
    }
    assert len(outs) == 1 and len(outs.pop().split()) == 2


# --- calibration -----------------------------------------------------------------------------------

CALIBRATION = {'light': (26.9, 0.838), 'heavy': (13.56, 0.371)}


def test_calibration_on_rain_free_photographs():
    """Mean figures of the rainy input: Rain100L's are 26.90 dB / 0.838, Rain100H's 13.56 dB / 0.371 (in the papers)."""
    folder = shared('data/bsds/val')
    files = list_images(folder)
    for preset, (psnr, ssim) in CALIBRATION.items():
        rain = SynthesizeRain(preset, seed=0)
        figures = []
        for path in files:
            clean = read_image(folder / path)
            rainy = rain(dict(img=clean, name=path.as_posix(), ori_shape=clean.shape[:2]))['img']
            figures.append([measure(rainy, clean, 'PSNR-Y'), measure(rainy, clean, 'SSIM-Y(valid)')])
        mean = np.mean(figures, axis=0)
        assert len(files) == 41 and abs(mean[0] - psnr) < 0.5 and abs(mean[1] - ssim) < 0.02, (preset, mean)


def test_heavy_rain_is_closer_to_the_real_one_than_the_plain_recipe():
    tool = load_tool('analysis_tools/compare_rain')
    root = shared('data/rain100h_sample')
    real = [
        (read_image(root / 'rain' / path), read_image(root / 'norain' / path.name.replace('rain', 'norain')))
        for path in list_images(root / 'rain')
    ]
    assert len(real) == 20
    truth = tool.statistics(real, lengths=False)
    # Known figures of the 20 pairs.
    assert (truth['median'], truth['percentile_99']) == (41, 169)
    assert truth['psnr_y'] == pytest.approx(14.43, abs=0.01)
    cleans = [clean for _, clean in real]
    ours, plain = (
        tool.statistics(tool.draw_all(cleans, rain, 3), lengths=False) for rain in ('heavy', tool.PLAIN['heavy'])
    )
    assert tool.wasserstein(truth, ours) < tool.wasserstein(truth, plain)
    assert abs(ours['percentile_99'] - 169) < abs(plain['percentile_99'] - 169)


@pytest.mark.parametrize('preset, psnr, ssim', [('light', 26.672, 0.8152), ('heavy', 14.514, 0.3843)])
def test_strength_on_the_shipped_pictures(preset, psnr, ssim):
    """The mean figures of the rainy input in the demo's own test."""
    folder = ROOT / 'demo/sample/test'
    figures = []
    for path in list_images(folder):
        clean = mmcv.imread(str(folder / path))
        results = dict(img=clean, name=path.as_posix(), ori_shape=clean.shape[:2])
        rainy = SynthesizeRain(preset, seed=0)(results)['img']
        figures.append([measure(rainy, clean, 'PSNR-Y'), measure(rainy, clean, 'SSIM-Y(valid)')])
    assert np.mean(figures, axis=0) == pytest.approx([psnr, ssim], abs=0.01)


def test_half_length_of_a_known_correlation():
    tool = load_tool('analysis_tools/compare_rain')
    bars = np.zeros((200, 200, 3), int)
    rng = np.random.default_rng(0)
    for y, x in zip(rng.integers(0, 160, 300), rng.integers(0, 200, 300), strict=True):
        bars[y : y + 40, x] = 100
    # Of single bars of length 40 the correlation falls linearly to 0 at lag 40.
    assert tool.half_length(tool.autocorrelation(bars)) == pytest.approx(20, abs=2)


# --- where it is used ------------------------------------------------------------------------------


def test_transform_by_path(tmp_path):
    clean = picture(40, 50)
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
    # Without a root: folder and file, wherever the data lie.
    free = SynthesizeRain('heavy', seed=0)
    assert (free({**results, 'img_path': '/a/val/7.jpg'})['img'] == by_path['img']).all()


def test_transform_takes_one_of_several(tmp_path):
    clean, seen = picture(40, 50), set()
    rain = SynthesizeRain(['light:1', 'mist'])
    np.random.seed(0)
    for _ in range(20):
        layer = rain(dict(img=clean, ori_shape=(40, 50)))['img'].astype(int) - clean
        seen.add(bool((layer < 0).any()))  # only mist darkens
    assert seen == {True, False}


def test_transform_leaves_some_pictures_dry():
    clean, dry = picture(40, 50), 0
    rain = SynthesizeRain(['none', 'light:5', 'none', 'none'])
    np.random.seed(0)
    for _ in range(40):
        results = rain(dict(img=clean, ori_shape=(40, 50)))
        assert (results['gt_img'] == clean).all()
        dry += bool((results['img'] == clean).all())
    assert 22 <= dry <= 38  # three of four; the bounds are 3 standard deviations
    # In an evaluation the name decides: zlib.crc32 of b'a' is odd, of b'd' even.
    rain = SynthesizeRain(['none', 'light:5'], seed=0)
    for name, is_dry in (('a', False), ('d', True)):
        results = rain(dict(img=clean, ori_shape=(40, 50), name=name))
        assert (results['img'] == clean).all() == is_dry


def test_folder_of_rain(tmp_path, capsys):
    src, dst = tmp_path / 'src', tmp_path / 'dst'
    for number in range(3):
        mmcv.imwrite(picture(40, 50, number), str(src / f'sub/{number}.jpg'))
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
    # The transform draws the same: an evaluation can use either.
    again = SynthesizeRain('heavy:2', seed=0)(dict(img=clean, name=line['name'], ori_shape=clean.shape[:2]))['img']
    assert (again == rainy).all()
    assert len(PairedImageDataset(str(dst), pipeline=[])) == 3

    # Interrupted while the second picture was written: the line is cut, the third picture is missing.
    text = (dst / 'manifest.jsonl').read_text().splitlines(keepends=True)
    (dst / 'manifest.jsonl').write_text(text[0] + text[1] + text[2][:20])
    (dst / 'rain/sub/2.png').unlink()
    before = (dst / 'rain/sub/0.png').stat().st_mtime_ns
    assert main(['rain', str(src), str(dst), '--rain', 'heavy:2']) == 0
    assert 'over 2 of 3 images; 1 existed already' in capsys.readouterr().out
    assert (dst / 'manifest.jsonl').read_text() == ''.join(text)
    assert (dst / 'rain/sub/0.png').stat().st_mtime_ns == before

    mmcv.imwrite(picture(40, 50), str(tmp_path / 'other/3.jpg'))
    for arguments, differs in (
        (
            [src, dst, '--rain', 'light', '--seed', '1'],
            'rain: found heavy:2, expected light; seed: found 0, expected 1',
        ),
        ([tmp_path / 'other', dst, '--rain', 'heavy:2'], f'source: found {src}, expected {tmp_path / "other"}'),
    ):
        assert main(['rain', *map(str, arguments)]) == 1
        assert f'is of a run with other settings ({differs});' in capsys.readouterr().err
    # The same parameters under another name are another run too.
    assert main(['rain', str(tmp_path / 'other'), str(tmp_path / 'three'), '--rain', 'light']) == 0
    assert main(['rain', str(tmp_path / 'other'), str(tmp_path / 'three'), '--rain', 'light:3']) == 1
    assert 'settings (rain: found light, expected light:3);' in capsys.readouterr().err


def test_folder_of_rain_names_what_is_wrong(tmp_path, capsys):
    src = tmp_path / 'src'
    mmcv.imwrite(picture(40, 50), str(src / 'a.jpg'))
    (src / 'b.png').write_text('no picture')
    (src / 'c.png').touch()
    assert main(['rain', str(src), str(tmp_path / 'dst')]) == 1
    said = capsys.readouterr()
    assert 'over 1 of 3 images' in said.out
    assert all(f'{src / name}: cannot be read as an image' in said.err for name in ('b.png', 'c.png'))
    cv2.imwrite(str(src / 'a.png'), picture(40, 50))
    mmcv.imwrite(picture(40, 50), str(tmp_path / 'other/d.jpg'))
    for arguments, error in (
        ([src, tmp_path / 'new'], 'a.jpg and a.png would both be written as a.png'),
        ([src, tmp_path / 'new', '--rain', 'drizzle'], "found 'drizzle'; expected one of light"),
        ([src, src / 'out'], 'name a folder outside it'),
        ([tmp_path / 'none', tmp_path / 'new'], 'no such folder'),
        ([src / 'a.jpg', tmp_path / 'new'], 'a.jpg: is a file; expected a folder'),
        ([src.parent, src], 'lies in'),
        ([tmp_path / 'other', src / 'a.jpg'], 'is a file; name a folder'),
    ):
        assert main(['rain', *map(str, arguments)]) == 1 and error in capsys.readouterr().err
    assert not (tmp_path / 'new').exists()
