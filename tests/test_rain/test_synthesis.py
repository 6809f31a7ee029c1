"""Names of rain: presets, severities, mixtures, seeds, and kinds of rain from other packages."""

import importlib
import json
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from conftest import GOLDEN, ROOT, smooth_image
from snippets import blocks

from mmderain.datasets.transforms import SynthesizeRain
from mmderain.evaluation import measure
from mmderain.io.image import read_image
from mmderain.rain import PRESETS, RainPreset, draw_rain, parse_rain, register_rain, synthesize_rain
from mmderain.rain.drops import Drop, draw_drops
from mmderain.rain.streaks import StreakLayer, Streaks


def test_rain_depends_only_on_the_seed():
    clean = smooth_image(50, 60)
    for name in PRESETS:
        a, b, c = (synthesize_rain(clean, name, seed) for seed in (7, 7, [7, 1]))
        assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_a_mixture_is_mist_then_streaks_then_drops():
    clean = smooth_image(80, 90)
    mist, streaks = (draw_rain(clean, name, 3) for name in ('mist', 'heavy:2'))
    both = draw_rain(clean, 'heavy:2+mist', 3)
    # Each preset has its own random stream, so mist and streaks are the same as when they are drawn alone.
    assert np.allclose(both.layer, mist.layer + streaks.layer, atol=1e-3)
    all_three = draw_rain(clean, 'drops+heavy:2+mist', 3)
    assert [next(iter(part)) for part in all_three.parameters] == ['mist', 'streaks', 'drops']
    through = np.clip(clean + both.layer, 0, 255)
    drops = [Drop(**drop) for drop in all_three.parameters[2]['drops']]
    assert np.allclose(clean + all_three.layer, draw_drops(through, drops), atol=1e-3)


def test_parameters_are_those_of_the_drawn_rain():
    drawn = draw_rain(smooth_image(80, 90), 'heavy', 3)
    (parameters,) = drawn.parameters
    (streaks,) = json.loads(json.dumps(parameters))['streaks']
    layers = tuple(StreakLayer(**layer) for layer in streaks['layers'])
    again = PRESETS['heavy'].sample(np.random.default_rng([3, 1, 0]), 80 / 320)
    assert Streaks(layers, streaks['ceiling']) == again


@pytest.mark.parametrize('name', PRESETS)
def test_severities_are_ordered_and_3_is_the_preset(name):
    clean = read_image(ROOT / 'demo/sample/test/coffee.jpg')
    scores = [
        np.mean([measure(draw_rain(clean, f'{name}:{s}', i).rainy, clean, 'PSNR-Y') for i in range(4)])
        for s in range(1, 6)
    ]
    assert all(a > b + 0.5 for a, b in zip(scores, scores[1:], strict=False)), scores
    assert parse_rain(f'{name}:3') == parse_rain(name) == [PRESETS[name].scaled(1.0)]


@pytest.mark.parametrize('rain', ['drizzle', 'heavy:0', 'heavy:6', 'heavy:', 'heavy:3:3', 'heavy+', ''])
def test_wrong_names_are_refused(rain):
    with pytest.raises(ValueError, match='expected one of light, heavy, varied-light, .*, drops, .*. Add :1 to :5'):
        parse_rain(rain)


def test_wrong_arrays_are_refused():
    with pytest.raises(ValueError, match='found float64'):
        synthesize_rain(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match=r'found uint8 of shape \(0, 4, 3\)'):
        synthesize_rain(np.zeros((0, 4, 3), np.uint8))
    for depth in (np.ones((3, 4)), np.full((4, 4), np.nan), np.full((4, 4), -1.0)):
        with pytest.raises(ValueError, match='depth: expected '):
            draw_rain(np.zeros((4, 4, 3), np.uint8), 'mist', depth=depth)
    for rain in (None, 3, ['heavy']):
        with pytest.raises(ValueError, match='expected a name, a preset, or several presets'):
            parse_rain(rain)


def test_rain_has_the_same_bits_in_any_process_and_with_any_number_of_threads():
    """Compare one thread of OpenCV in this process with two and four threads in another process."""
    path = ROOT / 'demo/sample/test/home.jpg'
    rains = ('light', 'heavy:5+mist+drops')
    code = (
        'import sys, zlib, cv2\n'
        'from mmderain.rain import draw_rain\n'
        'for threads in (2, 4):\n'
        '    cv2.setNumThreads(threads)\n'
        f'    print(*(zlib.crc32(draw_rain(cv2.imread(sys.argv[1]), rain, 5).rainy) for rain in {rains}))'
    )
    done = subprocess.run([sys.executable, '-c', code, path], capture_output=True, text=True, check=True)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        expected = [str(zlib.crc32(draw_rain(cv2.imread(str(path)), rain, 5).rainy)) for rain in rains]
    finally:
        cv2.setNumThreads(threads)
    assert [line.split() for line in done.stdout.splitlines()] == [expected] * 2


def test_a_seed_gives_the_rain_of_earlier_versions():
    """Compare with stored images. One level of difference is allowed, because other machines may round differently."""
    stored = np.load(GOLDEN / 'rain.npz')
    assert set(stored) == {*PRESETS, 'heavy:4+mist:2+drops'}
    for rain, expected in stored.items():
        drawn = draw_rain(smooth_image(40, 48), rain, [5, 1], scale=0.9).rainy.astype(int)
        assert abs(drawn - expected).max() <= 1 and (drawn != expected).mean() < 1e-3, rain


# --- new kinds of rain -----------------------------------------------------------------------------


@pytest.fixture
def snow(tmp_path, monkeypatch):
    """Import the example of docs/en/rain.md as a module."""
    (code,) = [block for block in blocks(ROOT / 'docs/en/rain.md', 'python') if 'register_rain' in block]
    (tmp_path / 'snow.py').write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module('snow')
    del PRESETS['snow'], sys.modules['snow']


def test_a_new_kind_of_rain_needs_one_file(snow):
    clean = smooth_image(60, 70)
    assert isinstance(PRESETS['snow'], RainPreset)
    drawn = draw_rain(clean, 'drops+snow:5+mist', 3)
    assert [next(iter(part)) for part in drawn.parameters] == ['mist', 'snow', 'drops']
    json.dumps(drawn.parameters)
    # The new kind has its own random stream, and its severities differ.
    strong, weak = (draw_rain(clean, rain, 3) for rain in ('snow:5', 'snow:1'))
    assert strong.layer.mean() > weak.layer.mean() > 0
    assert draw_rain(clean, 'heavy+snow', 3).parameters[0] == draw_rain(clean, 'heavy', 3).parameters[0]
    results = SynthesizeRain('snow', seed=0)(dict(img=clean, name='7.jpg', ori_shape=(60, 70)))
    assert (results['img'] >= clean).all() and (results['img'] != clean).any()


@pytest.mark.parametrize('name', ['heavy', 'none', 'a+b', 'a:1', ''])
def test_names_of_new_presets_are_checked(name):
    with pytest.raises(ValueError, match='expected a new name of .*; these names already exist: none, light'):
        register_rain(name, PRESETS['heavy'])


def test_only_presets_are_registered():
    with pytest.raises(ValueError, match=r"register_rain\('mine'\): found 3; expected a RainPreset"):
        register_rain('mine', 3)
    assert 'mine' not in PRESETS
