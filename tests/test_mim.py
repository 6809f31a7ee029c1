"""The files and options that mim, the command of openmim, uses. `tools/dev/check_mim.py` tries mim itself."""

import pytest
import yaml
from conftest import ROOT, load_tool
from mmengine.config import Config

from mmderain.hub import named_models

MIM = ROOT / 'mmderain/.mim'
METAFILES = [
    yaml.safe_load((MIM / path).read_text()) for path in yaml.safe_load((MIM / 'model-index.yml').read_text())['Import']
]
MODELS = {model['Name']: model for metafile in METAFILES for model in metafile['Models']}


def test_the_index_of_mim_contains_all_metafiles_and_their_files():
    assert len(METAFILES) == len(list((MIM / 'configs/derain').glob('metafile_*.yml')))
    for metafile in METAFILES:
        (collection,) = metafile['Collections']
        assert (MIM / collection['README']).is_file()
        assert {model['In Collection'] for model in metafile['Models']} == {collection['Name']}
    for name, model in MODELS.items():
        assert (MIM / model['Config']).name == f'{name}.py' and (MIM / model['Config']).is_file()


def test_mim_finds_each_config_by_its_file_name():
    """`mim train` and `mim test` search the package for a file of this name, and refuse a name of two files."""
    names = [path.name for path in (MIM / 'configs/').rglob('*.py') if '_base_' not in path.parts]
    assert len(names) == len(set(names)) and 'sian_sample.py' in names
    modules = {path.name for path in (ROOT / 'mmderain').glob('[!.]*/**/*.py')}
    modules |= {path.name for path in (MIM / 'tools/').rglob('*.py')} | {
        path.name for path in (MIM / 'configs/_base_').rglob('*.py')
    }
    assert not modules & set(names)


def test_the_metafiles_name_the_published_weights():
    published = {name: entry.url for name, entry in named_models().items() if entry.url and entry.config}
    assert {name: model['Weights'] for name, model in MODELS.items() if 'Weights' in model} == published
    assert sorted(published) == ['sian_rain100h', 'sian_rain100l', 'sian_rain12', 'sian_rain1400']


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_the_tools_accept_what_mim_passes(tool, capsys):
    """`mim train --launcher pytorch` uses torch.distributed.launch, which adds `--local-rank=N`."""
    assert (MIM / f'tools/{tool}.py').is_file()
    arguments = ['--local-rank=1', 'a.py', *(['a.pth'] if tool == 'test' else []), '--launcher', 'pytorch']
    args = load_tool(tool).parse_args([*arguments, '--cfg-options', 'train_cfg.max_iters=3'])
    assert (args.config, args.launcher, args.cfg_options) == ('a.py', 'pytorch', {'train_cfg.max_iters': 3})
    # mim adds `--gpus`, an option of old versions of the tools, if it finds it in the help text.
    with pytest.raises(SystemExit):
        load_tool(tool).parse_args(['-h'])
    assert '--gpus' not in capsys.readouterr().out


def test_a_config_that_mim_download_writes_can_be_read(tmp_path):
    config = Config.fromfile(MIM / MODELS['sian_rain100h']['Config'])
    config.dump(tmp_path / 'sian_rain100h.py')
    assert Config.fromfile(tmp_path / 'sian_rain100h.py').to_dict() == config.to_dict()
