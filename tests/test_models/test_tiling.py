"""Tiles cover the image. The result in tiles is equal to the result for the whole image, or close to this result."""

import math
from dataclasses import replace

import mmcv
import pytest
import torch
from conftest import load_tool, smooth_image

from mmderain.apis import init_model
from mmderain.io.image import read_image, to_rgb_tensor
from mmderain.models import NetworkSpec, tiling
from mmderain.models.derainer import Derainer
from mmderain.registry import MODELS


@pytest.mark.parametrize('size', [(1, 1), (16, 17), (100, 90), (129, 300), (48, 500)])
@pytest.mark.parametrize('side, halo', [(16, 0), (32, 16), (50, 5), (64, 64)])
def test_cores_cover_the_image_once_and_tiles_include_their_halo(size, side, halo):
    times = torch.zeros(size, dtype=torch.int)
    for tile in tiling.iter_tiles(*size, side, halo):
        times[tile.core_rows, tile.core_columns] += 1
        for seen, core, length in zip((tile.rows, tile.columns), (tile.core_rows, tile.core_columns), size):
            assert seen.start % tiling.GRID == 0
            assert seen.start == 0 or core.start - seen.start >= halo
            assert seen.stop == length or seen.stop - core.stop >= halo
        image = torch.arange(size[0] * size[1]).view(size)
        assert torch.equal(
            tiling.crop_core(image[tile.rows, tile.columns], tile), image[tile.core_rows, tile.core_columns]
        )
    assert (times == 1).all()


def tiled_against_whole(network: dict, size: tuple[int, int], tile: int) -> tuple[float, float]:
    """Compare the results with and without tiles; return the largest difference, and the PSNR in dB."""
    torch.manual_seed(0)
    model = MODELS.build(dict(type='Derainer', network=network)).eval()
    image = torch.rand(1, 3, *size)
    with torch.inference_mode():
        whole, tiled = model.restore(image, tile=0), model.restore(image, tile=tile)
        seen = [part.rows.stop - part.rows.start for part in tiling.iter_tiles(*size, tile, model.spec.halo)]
    assert max(seen) < size[0]  # there are several tiles
    error = (whole - tiled).square().mean().item()
    return (whole - tiled).abs().max().item(), math.inf if error == 0 else -10 * math.log10(error)


@pytest.mark.parametrize('size', [(352, 176), (355, 181)])
def test_sian_is_exact_in_tiles(size):
    """The result of SIAN depends on the size of the whole image, which is passed with the tile."""
    largest, psnr = tiled_against_whole(dict(type='SIAN', channels=4), size, 64)
    assert largest < 2e-5 and psnr > 110


@pytest.mark.parametrize('halo, exact', [(None, True), (16, False)])
def test_nasnet_is_exact_in_tiles_only_with_its_declared_halo(halo, exact):
    """The weights are doubled, so that distant pixels have an effect. A smaller halo then changes the result."""
    torch.manual_seed(0)
    network = dict(type='NASNet', channels=8, num_stages=2, num_blocks=3)
    model = MODELS.build(dict(type='Derainer', network=network)).double().eval()
    for parameter in model.network.parameters():
        parameter.data *= 2
    if halo is not None:
        model.spec = replace(model.spec, halo=halo)
    image = torch.rand(1, 3, 160, 130, dtype=torch.float64)
    with torch.inference_mode():
        whole, tiled = model.stages(image)[-1], model.restore(image, tile=32)
    error = (whole.clamp(0, 1) - tiled).abs().max()
    assert error < 1e-12 if exact else error > 1e-9


@pytest.mark.parametrize(
    'network, least',
    [
        (dict(type='JDNet', channels=16, num_units=2), 60),
        (dict(type='MAFNet', channels=16, num_modules=2), 40),
    ],
)
def test_networks_that_use_the_whole_image_are_close_in_tiles(network, least):
    assert tiled_against_whole(network, (320, 176), 64)[1] > least


def test_tiles_begin_at_multiples_of_the_size_multiple():
    """A pixel in the coarsest features of this U-Net covers 32x32 pixels of the image."""
    network = dict(type='NAFNet', width=4, encoder_blocks=(1,) * 5, decoder_blocks=(1,) * 5)
    model, places = MODELS.build(dict(type='Derainer', network=network)).eval(), []
    assert tiling.tile_grid(model.spec) == 32 and tiling.tile_grid(NetworkSpec(size_multiple=24)) == 48
    with torch.inference_mode():
        tiling.run_on_tiles(
            lambda part, tile: places.extend([tile.rows.start, tile.columns.start]) or part,
            torch.rand(1, 3, 300, 200),
            48,
            model.spec,
        )
    assert places and not any(place % 32 for place in places) and any(places)


def test_batches_and_padded_images_keep_their_shape_in_tiles():
    model = MODELS.build(dict(type='Derainer', network=dict(type='MAFNet', channels=8, num_modules=1))).eval()
    with torch.inference_mode():
        assert model.restore(torch.rand(2, 3, 203, 70), tile=64).shape == (2, 3, 203, 70)


@pytest.mark.parametrize('free, uses_tiles', [(10**9, 0), (10**7, 1)])
def test_tiles_are_used_if_memory_does_not_suffice(monkeypatch, free, uses_tiles):
    """A pass of SIAN with 8 channels declares 896 bytes for each pixel, and may use half of the free memory."""
    monkeypatch.setattr('mmderain.models.derainer.available_memory', lambda device: free)
    sizes = []
    monkeypatch.setattr(
        Derainer,
        '_restore_part',
        lambda self, batch, tile=None, *, finite, **_: (
            finite.append(torch.tensor([True])) or sizes.append(batch.shape[-2:]) or batch
        ),
    )
    model = MODELS.build(dict(type='Derainer', network=dict(type='SIAN', channels=8))).eval()
    image = torch.rand(1, 3, 300, 400)
    assert torch.equal(model.restore(image), image)
    assert (len(sizes) > 1) == bool(uses_tiles)
    # An image that requires gradients is never processed in tiles by default.
    sizes.clear()
    model.restore(image.clone().requires_grad_())
    assert len(sizes) == 1


def test_settings_of_tiles_are_checked_and_tiles_fit_into_memory():
    with pytest.raises(ValueError, match='tile must be None or an integer of at least 0 .* found -3'):
        MODELS.build(dict(type='Derainer', network=dict(type='SIAN', channels=4), tile=-3))
    assert tiling.max_tile_size(896 * 1000**2, 896, 64) == 864  # 1000 minus two halos, rounded down to a multiple of 16
    assert tiling.max_tile_size(1, 896, 64) == 64
    assert tiling.max_tile_size(896 * 1000**2, 896, 50) == 864  # each halo is rounded up to 64
    assert tiling.max_tile_size(896 * 1000**2, 896, 64, 48) == 768  # the side is a multiple of 48, and each halo is 96
    model = MODELS.build(dict(type='Derainer', network=dict(type='SIAN', channels=4)))
    with pytest.raises(ValueError, match='restore: tile must be None or an integer of at least 0 .* found -5'):
        model.restore(torch.rand(1, 3, 8, 8), tile=-5)


def test_compare_tiles_tool_prints_the_largest_difference(tmp_path, capsys):
    tool = load_tool('dev/compare_tiles')
    mmcv.imwrite(smooth_image(200, 176), str(tmp_path / 'a.png'))
    (tmp_path / 'net.py').write_text(
        "default_scope = 'mmderain'\n"
        "model = dict(type='Derainer', network=dict(type='MAFNet', channels=8, num_modules=1))\n"
    )
    call = [str(tmp_path / 'net.py'), '--untrained', '--image', str(tmp_path / 'a.png')]
    assert tool.main([*call, '--tile', '32']) == 0
    torch.manual_seed(0)
    model = init_model(tmp_path / 'net.py')
    batch = to_rgb_tensor(read_image(tmp_path / 'a.png'))[None]
    with torch.inference_mode():
        error = 255 * (model.restore(batch, tile=0) - model.restore(batch, tile=32)).abs().max().item()
    assert error > 0
    assert f'MAFNet, 176x200, tiles of 32: largest difference {error:.5f} of 255' in capsys.readouterr().out
    assert tool.main([*call, '--size', '300x250']) == 0
    assert capsys.readouterr().out.startswith('300x250: ')
    with pytest.raises(SystemExit):
        tool.main([*call, '--size', '300'])
    assert "found '300'" in capsys.readouterr().err
