"""No command and no function runs code in a checkpoint."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, load_tool, require_task_models
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint

from mmderain import cli
from mmderain.apis import DerainInferencer, init_model, trained_derainer
from mmderain.errors import InputError
from mmderain.hub import named_models
from mmderain.io import read_checkpoint, use_safe_loading
from mmderain.io.cache import cache_folder, cached_files
from mmderain.io.download import cached_file
from mmderain.models import load_weights
from mmderain.registry import MODELS, TRANSFORMS

SAMPLE = ROOT / 'configs/derain/sian_sample.py'
DETECTOR = ROOT / 'configs/perception/atss_r18_street.py'
FRAME = ROOT / 'demo/street/00670.jpg'


class Hostile:
    """Object whose pickle creates a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """Write a checkpoint that contains code, and check at the end of the test that the code did not run."""
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / 'code_was_run'
    torch.save(dict(state_dict={'a': Hostile(marker)}, meta=dict(iter=1)), 'hostile.pth')
    yield tmp_path / 'hostile.pth'
    assert not marker.exists()
    torch.load('hostile.pth', weights_only=False)
    assert marker.exists()  # the code in the file does run without the protection


COMMANDS = {
    'derain': ['derain', FRAME, '--out', 'out', '--model', SAMPLE, '--weights', 'hostile.pth'],
    'detect, derainer': ['detect', FRAME, '--out', 'out', '--model', SAMPLE, '--weights', 'hostile.pth'],
    'detect, detector': ['detect', FRAME, '--out', 'out', '--detector', DETECTOR, '--task-weights', 'hostile.pth'],
    'segment': [
        *('segment', FRAME, '--out', 'out', '--segmentor', ROOT / 'configs/perception/pspnet_r18_street.py'),
        *('--task-weights', 'hostile.pth'),
    ],
    'convert': ['convert', 'sian', 'hostile.pth', 'out.pth'],
    'web': ['web', '--model', SAMPLE, '--weights', 'hostile.pth'],
}


def param(name: str, interface: str, *values):
    marks = [] if 'dev/' in interface else pytest.mark.fault(11, interface)
    return pytest.param(*values, id=name, marks=marks)


@pytest.mark.parametrize('arguments', [param(name, f'mmderain {words[0]}', words) for name, words in COMMANDS.items()])
def test_commands_refuse_code_in_a_checkpoint(arguments, hostile, capsys):
    if arguments[0] in ('detect', 'segment'):
        pytest.importorskip('mmdet', reason='mmdet is not installed')
    assert cli.main([str(word) for word in arguments]) == 1
    assert 'hostile.pth: cannot be read as weights (it refers to' in capsys.readouterr().err


PRETRAINED = "dict(type='Pretrained',checkpoint='hostile.pth')"
TOOLS = {
    'train, resume': ('train', [SAMPLE, '--resume', 'hostile.pth']),
    'train, load_from': ('train', [SAMPLE, '--cfg-options', 'load_from=hostile.pth']),
    'train, resume by config': ('train', [SAMPLE, '--cfg-options', 'load_from=hostile.pth', 'resume=True']),
    'train, latest checkpoint': ('train', [SAMPLE, '--work-dir', 'run', '--resume']),
    'train, pretrained network': ('train', ['pretrained.py']),
    'test': ('test', [SAMPLE, 'hostile.pth']),
    'export': ('export', [SAMPLE, 'out.onnx', '--weights', 'hostile.pth']),
    'benchmark': ('benchmark', [SAMPLE, '--checkpoint', 'hostile.pth']),
    'joint_test': ('joint_test', ['detector.py', 'hostile.pth', '--limit', '1', '--rain', 'heavy']),
    'bundle_weights': ('dev/bundle_weights', ['mine', 'derain/sian_sample.py', 'hostile.pth', '--about', 'x']),
    'compare_tiles': ('dev/compare_tiles', [SAMPLE, '--weights', 'hostile.pth', '--image', FRAME]),
}


INTERFACES = {'joint_test': 'mmderain joint-test'}  # this tool is the same program as the command


@pytest.mark.parametrize(
    'name, arguments',
    [param(name, INTERFACES.get(tool, f'tools/{tool}.py'), tool, words) for name, (tool, words) in TOOLS.items()],
)
def test_tools_refuse_code_in_a_checkpoint(name, arguments, hostile, capsys):
    Path('run').mkdir()
    Path('run/last_checkpoint').write_text('hostile.pth')
    Path('run/hostile.pth').write_bytes(hostile.read_bytes())
    sample = f"_base_ = '{SAMPLE}'\ntrain_dataloader = dict(dataset=dict(data_root='{ROOT}/demo/sample/train'))\n"
    data = (
        f"test_dataloader = dict(dataset=dict(data_root='{ROOT}/demo/sample/test'))\nval_dataloader = test_dataloader\n"
    )
    Path('pretrained.py').write_text(f'{sample}{data}model = dict(network=dict(init_cfg={PRETRAINED}))\n')
    Path('detector.py').write_text(
        f"_base_ = '{DETECTOR}'\n"
        f"test_dataloader = dict(dataset=dict(data_root='{ROOT}/demo/street/', ann_file='boxes.json', "
        "data_prefix=dict(img='')))\n"
        f"test_evaluator = dict(ann_file='{ROOT}/demo/street/boxes.json')\n"
    )
    if name == 'joint_test':
        require_task_models()
    tool = load_tool(name)
    assert tool.main([str(word) for word in arguments]) == 1
    assert 'hostile.pth: cannot be read as weights (it refers to' in capsys.readouterr().err


def functions() -> dict:
    """Return functions that load the hostile checkpoint, keyed by name."""
    derainer = dict(config=str(SAMPLE), checkpoint='hostile.pth')
    return {
        'read_checkpoint': lambda: read_checkpoint('hostile.pth'),
        'DerainInferencer': lambda: DerainInferencer(SAMPLE, 'hostile.pth', device='cpu'),
        'trained_derainer': lambda: trained_derainer(SAMPLE, 'hostile.pth'),
        'init_model': lambda: init_model(SAMPLE, 'hostile.pth'),
        'load_weights': lambda: load_weights(init_model(SAMPLE), 'hostile.pth'),
        'Derain': lambda: TRANSFORMS.build(dict(type='Derain', derainer=derainer)),
        'DerainBeforeTask': lambda: MODELS.build(
            dict(type='DerainBeforeTask', derainer=derainer, wrapped=dict(type='BaseDataPreprocessor'))
        ),
    }


@pytest.mark.parametrize('name', functions())
def test_functions_refuse_code_in_a_checkpoint(name, hostile):
    with DefaultScope.overwrite_default_scope('mmderain'), pytest.raises(InputError, match='it refers to'):
        functions()[name]()


@pytest.mark.parametrize(
    'name, reason',
    [('a.pth', 'it refers to'), ('page.pth', 'UnpicklingError'), ('a.safetensors', 'the file is damaged')],
)
def test_a_download_that_is_no_checkpoint_is_deleted_and_its_address_is_named(name, reason, hostile, mirror, capsys):
    """The server does not say that its answer is a web page. A later download of the right file is accepted."""
    mirror.files[name] = hostile.read_bytes() if name == 'a.pth' else b'<html>Please log in.</html>'
    url = mirror.url('ok', name)
    arguments = ['derain', str(FRAME), '--out', 'out', '--model', 'sian', '--trust-unhashed', '--weights', url]
    assert cli.main(arguments) == 1
    error = capsys.readouterr().err
    assert f'/{name}: cannot be read as weights (' in error and reason in error and error.count('error: ') == 1
    assert error.endswith(
        f' It was downloaded from {url}, and has been deleted. Check this address, or name another checkpoint.\n'
    )
    assert list(cached_files()) == [] and not list(cache_folder().rglob('record.json'))
    mirror.files[name] = named_models()['sian'].weights().read_bytes()
    if name != 'a.safetensors':
        assert read_checkpoint(cached_file(url, trust_unhashed=True))['meta']


def test_mmengine_refuses_code_in_a_checkpoint_after_use_safe_loading(hostile):
    use_safe_loading()
    with pytest.raises(InputError, match='it refers to'):
        load_checkpoint(torch.nn.Linear(1, 1), 'hostile.pth')
    for name in ('s3://bucket/a.pth', 'pavi://a', 'open-mmlab://none'):
        with pytest.raises(InputError, match='Download this file first|knows no checkpoint'):
            load_checkpoint(torch.nn.Linear(1, 1), name)


def test_importing_mmderain_does_not_change_the_loaders_of_mmengine():
    code = (
        'from mmengine.runner.checkpoint import CheckpointLoader\n'
        'before = dict(CheckpointLoader._schemes)\n'
        'import mmderain.cli, mmderain.apis, mmderain.perception\n'
        'print(CheckpointLoader._schemes == before)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == 'True\n', done.stderr


def test_safetensors_are_read(tmp_path):
    safetensors = pytest.importorskip('safetensors.torch', reason='safetensors is not installed')
    safetensors.save_file({'a': torch.arange(3.0)}, tmp_path / 'a.safetensors')
    assert torch.equal(read_checkpoint(tmp_path / 'a.safetensors')['state_dict']['a'], torch.arange(3.0))
    (tmp_path / 'b.safetensors').write_bytes(b'no weights')
    with pytest.raises(InputError, match='b.safetensors: cannot be read as weights'):
        read_checkpoint(tmp_path / 'b.safetensors')


# --- options -------------------------------------------------------------------------------------
