"""Properties that hold for all inputs, tested with inputs that hypothesis generates."""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmderain.cli.options import add_cfg_options
from mmderain.datasets.pairing import pair_by_name
from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io import atomic_write, safe_name
from mmderain.models import NetworkSpec
from mmderain.models.tiling import iter_tiles, pad_image, run_on_tiles, tile_grid
from mmderain.rain import draw_rain

settings.register_profile('mmderain', deadline=None, max_examples=40, derandomize=True, database=None)
settings.load_profile('mmderain')

SIDES = st.integers(1, 150)
WORDS = st.text('abcxyz0189_-', min_size=1, max_size=8)


@given(names=st.sets(WORDS, min_size=1, max_size=12), order=st.randoms())
def test_pairs_follow_names_and_not_their_order(names, order):
    rainy, clean = [Path(f'rain-{name}.png') for name in names], [Path(f'norain-{name}.jpg') for name in names]
    order.shuffle(rainy), order.shuffle(clean)
    pairs, foreign, alone = pair_by_name(rainy, clean, dict(type='prefix', img='rain-', gt='norain-'))
    assert {img.stem.removeprefix('rain-'): gt.stem.removeprefix('norain-') for img, gt in pairs} == {
        n: n for n in names
    }
    assert not foreign and not alone


@given(names=st.sets(WORDS, min_size=2, max_size=12), missing=st.integers(0, 11))
def test_a_missing_clean_image_is_named(names, missing):
    rainy = [Path(f'{name}.png') for name in sorted(names)]
    gone = rainy[missing % len(rainy)]
    _, _, alone = pair_by_name(rainy, [path for path in rainy if path != gone], 'same_name')
    assert alone == [gone]


@given(height=SIDES, width=SIDES, size=st.integers(1, 80), halo=st.integers(0, 40), grid=st.sampled_from([4, 16, 48]))
def test_the_cores_of_tiles_cover_an_image_once(height, width, size, halo, grid):
    count = np.zeros((height, width), int)
    for tile in iter_tiles(height, width, size, halo, grid):
        count[tile.core_rows, tile.core_columns] += 1
        for part, core, length in ((tile.rows, tile.core_rows, height), (tile.columns, tile.core_columns, width)):
            assert part.start % grid == 0
            assert part.start <= max(0, core.start - halo) and part.stop >= min(length, core.stop + halo)
    assert (count == 1).all()


@given(height=SIDES, width=SIDES, size=st.integers(1, 80), multiple=st.sampled_from([1, 4, 6]))
def test_tiles_of_a_pointwise_function_equal_the_whole_image(height, width, size, multiple):
    spec = NetworkSpec(size_multiple=multiple)
    batch = torch.rand(1, 3, height, width)
    assert torch.equal(run_on_tiles(lambda part, tile: part * 2, batch, size, spec), batch * 2)
    assert tile_grid(spec) % multiple == 0


@given(height=SIDES, width=SIDES, multiple=st.integers(1, 16), least=st.integers(1, 64))
def test_padding_keeps_the_image_and_gives_an_accepted_size(height, width, multiple, least):
    spec = NetworkSpec(size_multiple=multiple, min_size=least)
    batch = torch.rand(1, 1, height, width)
    padded = pad_image(batch, spec)
    assert torch.equal(padded[..., :height, :width], batch)
    for side, before in zip(padded.shape[-2:], (height, width), strict=True):
        assert side % multiple == 0 and side >= least and side >= before
        assert side - max(before, least) < multiple


@given(height=st.integers(8, 60), width=st.integers(8, 60), kind=st.sampled_from(['light', 'heavy', 'mist', 'drops']),
       seed=st.integers(0, 2**31 - 1))  # fmt: skip
def test_equal_seeds_give_equal_rain(height, width, kind, seed):
    img = np.full((height, width, 3), 90, np.uint8)
    first, second = (draw_rain(img, kind, seed) for _ in range(2))
    assert first.rainy.dtype == np.uint8 and first.rainy.shape == img.shape
    assert np.array_equal(first.rainy, second.rainy) and (img == 90).all()


@given(height=st.integers(11, 40), width=st.integers(11, 40), seed=st.integers(0, 1000), shift=st.integers(1, 20))
def test_scores_are_symmetric_and_best_for_equal_images(height, width, seed, shift):
    rng = np.random.default_rng(seed)
    img = rng.integers(0, 230, (height, width, 3), np.uint8)
    other = img + np.uint8(shift)
    assert measure(img, other, 'PSNR-Y') == pytest.approx(measure(other, img, 'PSNR-Y'))
    # If all three channels change by `shift`, the luma changes by shift * 219 / 255.
    assert measure(img, other, 'PSNR-Y') == pytest.approx(20 * np.log10(255 / (shift * 219 / 255)), abs=0.3)
    assert measure(img, img, 'SSIM-Y(valid)') == pytest.approx(1)
    assert measure(img, other, 'SSIM-Y(valid)') < 1


@given(text=st.text(max_size=30))
def test_cfg_options_are_read_or_refused_with_a_message(text):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_cfg_options(parser, 'a=1')
    if text.startswith('-'):
        text = '_' + text
    try:
        options = parser.parse_args(['--cfg-options', text]).cfg_options
    except (argparse.ArgumentError, InputError) as error:
        assert str(error)
        return
    assert list(options) == [text.partition('=')[0]]


@given(
    name=st.text(min_size=1, max_size=300).filter(lambda name: name not in ('.', '..') and not set(name) & set('/\0'))
)
def test_a_file_of_any_valid_name_is_written_completely(name):
    try:
        if len(os.fsencode(name)) > 255:
            return
    except UnicodeEncodeError:  # the name contains half of a surrogate pair
        return
    with tempfile.TemporaryDirectory() as folder:
        with atomic_write(Path(folder) / name, durable=False) as part:
            part.write_bytes(b'content')
        assert os.listdir(folder) == [name] and (Path(folder) / name).read_bytes() == b'content'
    assert not set(safe_name(name)) & set('/\\: *?"<>|\n')
