"""Exported derainers give the results of PyTorch, at the size of the export and at another size."""

import logging
import math

import numpy as np
import pytest
import torch
from conftest import load_tool

from mmderain.apis import export, init_model
from mmderain.io import save_weights

NETWORKS = dict(
    SIAN="type='SIAN', channels=4, num_stages=2",
    JDNet="type='JDNet', channels=16, num_units=1",
    NASNet="type='NASNet', channels=8, num_stages=1, num_blocks=1",
    MAFNet="type='MAFNet', channels=8, num_modules=1",
)
#: At this size, few pooling windows of MAFNet are uneven, so its graph has 460 nodes. At 64x96 it has 2,900.
SIZE = (72, 96)
tool = load_tool('export')


@pytest.fixture
def trained(tmp_path, request):
    torch.manual_seed(0)
    mean = ', mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.4]' if request.param == 'NASNet' else ''
    text = f"model = dict(type='Derainer', network=dict({NETWORKS[request.param]}){mean})\n"
    (tmp_path / 'net.py').write_text(text + "default_scope = 'mmderain'\n")
    model = init_model(tmp_path / 'net.py')
    save_weights(tmp_path / 'net.pth', model.state_dict(), {})
    return model


@pytest.mark.parametrize('trained', NETWORKS, indirect=True)
@pytest.mark.parametrize('suffix', ['.pt2', '.onnx'])
def test_exported_file_gives_the_results_of_pytorch(trained, suffix, tmp_path, capsys):
    if suffix == '.onnx':
        for name in ('onnx', 'onnxruntime', 'onnxscript'):
            pytest.importorskip(name, reason=f'{name} is not installed')
    out = tmp_path / f'net{suffix}'
    arguments = [str(tmp_path / 'net.py'), str(out), '--weights', str(tmp_path / 'net.pth'), '--size', *map(str, SIZE)]
    assert tool.main(arguments) == 0, capsys.readouterr().err
    message = capsys.readouterr().out
    fixed = type(trained.network).__name__ == 'MAFNet'
    run = export.load_exported(out)
    multiple = math.lcm(trained.spec.size_multiple, trained.spec.export_multiple)
    assert ('72x96 only' if fixed else f'multiples of {multiple}') in message
    for size in [SIZE] if fixed else [SIZE, (17 * multiple, 9 * multiple)]:
        rainy = torch.rand(1, 3, *size)
        with torch.no_grad():
            target, found = trained.restore(rainy), run(rainy)
        assert (found - target).abs().max() < 1e-5
    assert not list(tmp_path.glob('*.part*'))
    if suffix == '.onnx':
        import onnx

        model = onnx.load(out)
        assert [o.version for o in model.opset_import if o.domain == ''] == [20]
        assert [i.name for i in model.graph.input] == ['rainy'] and [o.name for o in model.graph.output] == ['derained']


@pytest.mark.parametrize('trained', ['NASNet'], indirect=True)
def test_an_export_that_differs_is_not_kept(trained, tmp_path, capsys, monkeypatch):
    (tmp_path / 'net.pt2').write_text('what was there')
    monkeypatch.setattr(export, '_load', lambda path: lambda rainy: rainy * np.nan)
    arguments = [str(tmp_path / 'net.py'), str(tmp_path / 'net.pt2'), '--weights', str(tmp_path / 'net.pth')]
    assert tool.main([*arguments, '--size', '32', '32']) == 1
    assert 'the results of the exported model and of the PyTorch model differ by ' in capsys.readouterr().err
    assert (tmp_path / 'net.pt2').read_text() == 'what was there' and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize('trained', ['SIAN'], indirect=True)
def test_wrong_calls_give_one_error(trained, tmp_path, capsys):
    config, weights = str(tmp_path / 'net.py'), ['--weights', str(tmp_path / 'net.pth')]
    for arguments, error in (
        ([config, 'net.trt', *weights], 'expected a file name that ends in .onnx or .pt2'),
        (
            [config, 'net.pt2', *weights, '--size', '30', '64'],
            'to export SIAN, height and width must each be a multiple of 4 and at least 32',
        ),
        (['none.py', 'net.pt2', *weights], 'none.py: no such config file'),
    ):
        assert tool.main(arguments) == 1 and error in capsys.readouterr().err


def test_log_settings_of_the_caller_are_kept():
    logger, own = logging.getLogger('onnxscript'), logging.getLogger('mine')
    before = logger.level
    logging.disable(logging.INFO)
    try:
        with pytest.raises(RuntimeError), export._errors_only(export.EXPORT_LOGGERS):
            assert not logging.getLogger('onnxscript.optimizer').isEnabledFor(logging.WARNING)
            assert own.isEnabledFor(logging.WARNING)
            raise RuntimeError
        assert logger.level == before and logging.root.manager.disable == logging.INFO
    finally:
        logging.disable(logging.NOTSET)
