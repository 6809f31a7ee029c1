"""The tool paper_figures.py, which draws plots and images like those in the papers."""

import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool, smooth_image
from mmengine.config import Config

from mmderain.apis import init_model
from mmderain.errors import InputError
from mmderain.io import read_image, write_image
from mmderain.models import Derainer
from mmderain.models.networks.nasnet import build_attention

tool = load_tool('paper_figures')


def test_parameters_of_the_attentions():
    counts = tool.attention_parameters(init_model(ROOT / 'configs/derain/nasnet_rain100h_1stage.py'))
    # For 64 channels, the three counts are 64 * (9 + 1) + 64 * (64 + 1), 64 * 4 + 4 + 4 * 64 + 64, and
    # 64 * (9 * 64 + 1). The first is 13% of the third.
    assert counts['neuron attention, 3x3'] == 4800
    assert counts['squeeze and excitation, reduction 16'] == 580
    assert counts['convolution, 3x3'] == 36928
    pytest.importorskip('timm', reason='timm is not installed')
    network = build_attention('se', 64)
    assert sum(p.numel() for p in network.parameters()) == counts['squeeze and excitation, reduction 16']


@pytest.mark.parametrize('name', ['bars.png', 'bars.jpg'])
def test_bars_are_written_in_the_format_of_the_suffix(name, tmp_path):
    config = str(ROOT / 'configs/derain/nasnet_rain100h_1stage.py')
    assert tool.main(['attention-parameters', config, '--out', str(tmp_path / name)]) == 0
    assert read_image(tmp_path / name).shape[2] == 3
    assert (tmp_path / name).read_bytes()[:2] == {'bars.png': b'\x89P', 'bars.jpg': b'\xff\xd8'}[name]


def test_stages_are_the_results_of_the_network_with_their_scores(tmp_path, capsys):
    model = init_model(ROOT / 'configs/derain/sian_sample.py')
    rainy, clean = smooth_image(24, 32, 0), smooth_image(24, 32, 1)
    images = tool.stage_results(model, rainy, clean)
    assert [caption[:8] for caption in images] == ['stage 1:', 'stage 2:', 'stage 3:']
    assert not np.array_equal(*list(images.values())[:2])
    last = model.restore(tool.to_rgb_tensor(rainy)[None])[0]
    assert np.array_equal(list(images.values())[-1], tool.to_bgr_uint8(last))
    for path, image in (('rainy.png', rainy), ('clean.png', clean)):
        write_image(image, tmp_path / path)
    arguments = ['stages', str(ROOT / 'configs/derain/sian_sample.py'), '--img', str(tmp_path / 'rainy.png')]
    assert tool.main([*arguments, '--gt', str(tmp_path / 'clean.png'), '--out', str(tmp_path / 'out.png')]) == 0
    assert read_image(tmp_path / 'out.png').shape[1] == 3 * (32 + 12)
    (tmp_path / 'small.png').write_bytes((tmp_path / 'rainy.png').read_bytes())
    write_image(clean[:20], tmp_path / 'small.png')
    capsys.readouterr()
    assert tool.main([*arguments, '--gt', str(tmp_path / 'small.png'), '--out', str(tmp_path / 'no.png')]) == 1
    assert 'the image has shape (24, 32, 3), its clean image has shape (20, 32, 3)' in capsys.readouterr().err
    assert not (tmp_path / 'no.png').exists()


@pytest.mark.parametrize('interaction, names', [('both', 8), ('spatial', 4), ('channel', 4)])
def test_maps_of_every_group_of_the_attentions(interaction, names):
    network = dict(type='MAFNet', channels=16, num_modules=2, interaction=interaction)
    images = tool.attention_maps(Derainer(network).eval(), smooth_image(21, 30))
    bands = [f'spatial, {band}' for band in ('LL', 'HL', 'LH', 'HH')]
    heads = [f'channel, head {number}' for number in range(1, 5)]
    expected = {'both': bands + heads, 'spatial': bands, 'channel': heads}[interaction]
    assert sorted(images) == sorted(expected) and len(images) == names
    assert all(image.shape == (21, 30, 3) for image in images.values())


def test_a_heat_map_shows_the_mean_absolute_value():
    features = torch.tensor([[[0.0, -2.0]], [[0.0, 2.0]]])
    image = tool.heat_map(features, (1, 2))
    assert image[0, 0].tolist() == [128, 0, 0] and image[0, 1].tolist() == [0, 0, 128]


def test_a_wrong_network_is_named(tmp_path, capsys):
    model = Derainer(Config.fromfile(ROOT / 'configs/derain/nafnet_photographs.py').model.network)
    with pytest.raises(InputError, match='attention-maps: NAFNet has no attention of MAFNet'):
        tool.attention_maps(model, smooth_image(24, 24))
    with pytest.raises(InputError, match='stages: NAFNet returns one result; expected a network of several stages'):
        tool.stage_results(model, smooth_image(24, 24), None)
    config = str(ROOT / 'configs/derain/sian_sample.py')
    assert tool.main(['stages', config, '--out', str(tmp_path / 'a.png')]) == 1
    assert "the figure 'stages' needs a rainy image: --img FILE" in capsys.readouterr().err
