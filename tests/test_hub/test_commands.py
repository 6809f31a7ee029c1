"""The commands that search models and convert weights of authors."""

import torch
from golden import authors_keys, fill

from mmderain import cli
from mmderain.hub import find_derainer
from mmderain.hub.published import converted_weights


def test_the_search_for_models_ignores_case_and_suggests_near_matches(capsys):
    assert cli.main(['models', 'SIAN_Rain100H', '--task', 'derainer']) == 0
    assert '  sian_rain100h    derainer   SIAN of the paper' in capsys.readouterr().out
    assert cli.main(['models', 'Sian_Rain100X', '--task', 'derainer']) == 1
    expected = "no model has 'sian_rain100x' in its name; did you mean 'sian_rain1400' or 'sian_rain100l' or"
    assert expected in capsys.readouterr().err
    assert cli.main(['models', 'street-segmenter', '--task', 'segmentor']) == 1
    assert "did you mean 'street-segmentor'" in capsys.readouterr().err
    assert cli.main(['models', 'zzz']) == 1
    assert capsys.readouterr().err == "error: no model has 'zzz' in its name; `mmderain models` lists the models\n"


def test_converted_weights_get_a_name(mirror, tmp_path, capsys):
    torch.save(dict(net=fill(authors_keys('jdnet32'), 1)), tmp_path / 'net_latest.pth')
    for name in ('jdnet_rain200h', 'jdnet_rain100h'):
        assert cli.main(['convert', 'jdnet', str(tmp_path / 'net_latest.pth'), '--name', name]) == 0
        assert str(converted_weights(name)) in capsys.readouterr().out
        assert find_derainer(name)[1] == converted_weights(name)
    assert cli.main(['models', 'jdnet_rain200h']) == 0
    assert 'jdnet_rain200h (converted)' in capsys.readouterr().out
    for network, name in (('jdnet', 'sian_rain12'), ('sian', 'sian_rain100l'), ('sian', 'sian_photographs_unshuffled')):
        assert cli.main(['convert', network, str(tmp_path / 'net_latest.pth'), '--name', name]) == 1
        message = f'--name {name}: expected the name of a config of {network} without bundled or published weights'
        assert message in capsys.readouterr().err
