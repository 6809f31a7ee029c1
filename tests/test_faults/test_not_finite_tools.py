"""A network whose result is not finite ends the test, the training or the export, and the image is named."""

from pathlib import Path

import pytest
import torch
from conftest import ROOT, load_tool

from mmderain.errors import InputError
from mmderain.evaluation import ImageQuality
from mmderain.io import save_weights

from .test_not_finite import TEXT, white, write_files


@pytest.fixture
def files(tmp_path, monkeypatch):
    write_files(tmp_path, monkeypatch)


CONFIG = """
_base_ = '{root}/configs/derain/sian_sample.py'
model = dict(network=dict(_delete_=True, type='WhiteOverflows', value='{value}'))
data = dict(type='PairedImageDataset', pipeline=[dict(type='LoadPairedImages'), dict(type='PackDerainInputs')])
loader = dict(batch_size=1, num_workers=0, persistent_workers=False)
test_data = dict(_delete_=True, test_mode=True, data_prefix=dict(img='in', gt='in'), **data)
test_dataloader = dict(**loader, dataset=test_data)
val_dataloader = test_dataloader
train_data = dict(_delete_=True, data_prefix=dict(img='{train}', gt='{train}'), **data)
train_dataloader = dict(**loader, dataset=train_data)
train_cfg = dict(max_iters={steps}, val_interval={steps})
"""


def config(value: str, train: str = 'in', steps: int = 9) -> str:
    Path('run.py').write_text(CONFIG.format(root=ROOT, value=value, train=train, steps=steps))
    return 'run.py'


@pytest.mark.fault(1, 'tools/test.py')
@pytest.mark.parametrize('value', ['nan', 'inf'])
def test_tool_test(files, value, capsys):
    assert load_tool('test').main([config(value), 'net.pth', '--work-dir', 'run', '--out', 'scores']) == 1
    assert f'error: in/b.png: {TEXT}' in capsys.readouterr().err and not Path('scores').exists()


@pytest.mark.fault(1, 'tools/train.py', 'engine.StopIfNotFiniteHook')
@pytest.mark.parametrize('value', ['nan', 'inf'])
def test_train(files, value, capsys):
    assert load_tool('train').main([config(value), '--work-dir', 'run']) == 1
    error = capsys.readouterr().err
    assert 'not finite' in error and 'in/b.png' in error and not list(Path('run').glob('*.pth'))


@pytest.mark.fault(1, 'tools/train.py')
def test_validation(files, capsys):
    """The training images are good, the images of the validation are not."""
    Path('good').mkdir()
    Path('in/a.png').rename('good/a.png')
    assert load_tool('train').main([config('nan', 'good', steps=1), '--work-dir', 'run']) == 1
    assert f'error: in/b.png: {TEXT}' in capsys.readouterr().err


@pytest.mark.fault(1, 'evaluation.ImageQuality')
@pytest.mark.parametrize('value', [torch.nan, torch.inf])
def test_metric(value):
    sample = dict(name='b.png', gt_img=torch.zeros(3, 24, 24), pred_img=torch.full((3, 24, 24), value))
    with pytest.raises(InputError, match='^b.png: the network returned NaN or infinite values'):
        ImageQuality().process(dict(inputs=[torch.zeros(3, 24, 24)]), [sample])


@pytest.mark.fault(1, 'tools/export.py')
@pytest.mark.parametrize('value', [torch.nan, torch.inf])
def test_export(files, value, capsys):
    weights = {key: torch.full_like(tensor, value) for key, tensor in white().state_dict().items()}
    save_weights('bad.pth', weights, {})
    assert load_tool('export').main(['net.py', 'a.pt2', '--weights', 'bad.pth', '--size', '64', '96']) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: a.pt2: not written: the result of WhiteOverflows contains NaN or infinite values')
    assert not Path('a.pt2').exists()
