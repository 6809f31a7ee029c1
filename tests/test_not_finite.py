"""A result that is not finite is an error that names the image, in every program and function that derains images."""

import ast
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool, smooth_image
from mmengine.logging import MMLogger
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TRANSFORMS
from torch.utils.data import DataLoader

from mmderain import cli
from mmderain.apis import DerainInferencer, derain_video, export_derainer
from mmderain.errors import InputError, NonFiniteError
from mmderain.io import save_weights, write_frames
from mmderain.models import Derainer, NetworkSpec
from mmderain.perception.scene import view_scene
from mmderain.perception.scene_files import stream_scenes
from mmderain.registry import MODELS


@MODELS.register_module()
class Overflows(torch.nn.Module):
    """Network that returns its input, but ``value`` in one pixel of white images."""

    spec = NetworkSpec(halo=0)

    def __init__(self, value: str = 'nan') -> None:
        super().__init__()
        self.value = float(value)
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        result = x * self.weight
        result[x.mean((1, 2, 3)) > 0.9, 1, -1, -1] = self.value
        return [result]


MODEL = dict(type='mmderain.Derainer', network=dict(type='Overflows'))
REASON = (
    "the result of Overflows contains NaN or infinite values. Use precision='fp32' (option --precision fp32). If the "
    'error remains, use another checkpoint: the weights of this one are finite, but too large for this image.'
)
GOOD, BAD = smooth_image(24, 32), np.full((24, 32, 3), 255, np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write a config and its weights, the images a.png (good), b.png (white) and c.png (good), and a video."""
    (tmp_path / 'in').mkdir()
    for name, img in (('a', GOOD), ('b', BAD), ('c', GOOD)):
        cv2.imwrite(str(tmp_path / f'in/{name}.png'), img)
    write_frames([np.full((48, 64, 3), 255, np.uint8)] * 3, tmp_path / 'white.mp4', 8)
    text = (
        f"_base_ = '{ROOT}/configs/derain/sian_sample.py'\n"
        "model = dict(network=dict(_delete_=True, type='Overflows'))\n"
        'test_dataloader = dict(batch_size=3, num_workers=0, persistent_workers=False, dataset=dict(\n'
        "    data_root='in', pipeline=[dict(type='LoadPairedImages'), dict(type='PackDerainInputs')]))\n"
    )
    (tmp_path / 'net.py').write_text(text)
    save_weights(tmp_path / 'net.pth', Derainer(dict(type='Overflows')).state_dict(), {})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inferencer(folder, capsys):
    """Derain a batch of three images. Only the white image fails."""
    result = DerainInferencer('net.py', 'net.pth')('in', batch_size=3, out_dir='out')
    assert result.failures == {'in/b.png': f'in/b.png: {REASON}'}
    assert sorted(path.name for path in Path('out').iterdir()) == ['a.png', 'c.png']
    assert np.array_equal(cv2.imread('out/a.png'), GOOD)
    with pytest.raises(InputError, match=r'^in/b.png: the result of Overflows contains NaN'):
        DerainInferencer('net.py', 'net.pth')('in/b.png')


def derain_command(folder, capsys):
    assert cli.main(['derain', 'in', 'white.mp4', '--out', 'out', '--model', 'net.py', '--weights', 'net.pth']) == 1
    output = capsys.readouterr()
    assert '2 of 4 inputs derained' in output.out
    assert output.err.count('error: ') == 2
    assert f'error: in/b.png: {REASON}' in output.err and f'error: white.mp4: {REASON}' in output.err
    assert sorted(path.name for path in Path('out').iterdir()) == ['a.png', 'c.png']


def video(folder, capsys):
    with pytest.raises(NonFiniteError, match='the result of Overflows contains NaN'):
        derain_video(Derainer(dict(type='Overflows')).eval(), 'white.mp4', 'out.mp4')
    assert not Path('out.mp4').exists()


def tool_test(folder, capsys):
    assert load_tool('test').main(['net.py', 'net.pth', '--work-dir', 'run']) == 1
    assert f'error: in/b.png: {REASON}' in capsys.readouterr().err


def scenes(folder, capsys):
    model = Derainer(dict(type='Overflows')).eval()
    with pytest.raises(NonFiniteError, match='the result of Overflows contains NaN'):  # the web page prints this error
        view_scene(BAD, model, rain=None)
    results = dict(stream_scenes(['in'], 'out', model, None, rain=None))
    assert str(results['in/b.png']) == f'in/b.png: {REASON}'
    assert [len(results[name]) for name in ('in/a.png', 'in/c.png')] == [2, 2]


class Lines(logging.Handler):
    """Handler of the log that stores the messages."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        MMLogger.get_current_instance().addHandler(self)

    def emit(self, record):
        self.lines.append(f'{record.levelname} {record.getMessage()}')


def transform(folder, capsys):
    config = dict(type='mmderain.Derain', derainer=dict(config='net.py', checkpoint='net.pth'))
    derain = TRANSFORMS.build(config)
    assert np.array_equal(derain(dict(img=GOOD, img_path='a.png'))['img'], GOOD)
    with pytest.raises(NonFiniteError) as error:
        derain(dict(img=BAD, img_path='b.png'))
    assert str(error.value) == f'b.png: {REASON}'
    # A loader process raises the error in the main process, with the same message.
    loader = DataLoader([dict(img=BAD, img_path='b.png')], num_workers=1, collate_fn=lambda batch: derain(batch[0]))
    with pytest.raises(NonFiniteError) as error:
        next(iter(loader))
    assert str(error.value) == f'b.png: {REASON}'
    derain, log = TRANSFORMS.build(config | dict(on_nonfinite='keep')), Lines()
    for name in ('b.png', 'd.png'):
        assert np.array_equal(derain(dict(img=BAD, img_path=name))['img'], BAD)
    assert derain.kept.count == 2
    kept = "With on_nonfinite='keep', the rainy image is used instead (in this process, {} so far)."
    assert log.lines == [
        f'WARNING mmderain.Derain: {name}: {REASON} {kept.format(number)}'
        for number, name in ((1, 'b.png'), (2, 'd.png'))
    ]
    with pytest.raises(InputError, match="mmderain.Derain: on_nonfinite must be 'error' or 'keep', found 'skip'"):
        TRANSFORMS.build(config | dict(on_nonfinite='skip'))


def preprocessor(folder, capsys):
    """Two images of one batch are white. With 'keep', the results of the other images do not change."""
    config = dict(
        type='mmderain.DerainBeforeTask',
        derainer=dict(config='net.py', checkpoint='net.pth'),
        wrapped=dict(type='BaseDataPreprocessor'),
    )
    batch = torch.from_numpy(np.stack([BAD, GOOD, BAD])).permute(0, 3, 1, 2).contiguous()
    with pytest.raises(NonFiniteError) as error:
        ROOT_MODELS.build(config)(dict(inputs=batch))
    assert str(error.value) == f'image 0 of the batch, image 2 of the batch: {REASON}'
    keep, log = ROOT_MODELS.build(config | dict(on_nonfinite='keep')), Lines()
    assert torch.equal(keep(dict(inputs=batch))['inputs'], batch.float())
    assert keep.kept.count == 2
    assert len(log.lines) == 1 and log.lines[0].endswith('(in this process, 2 so far).')
    joint = ROOT_MODELS.build(config | dict(on_nonfinite='keep', freeze=False))
    joint(dict(inputs=batch), training=True)['inputs'].sum().backward()
    assert joint.derainer.network.weight.grad.isfinite().all()
    with pytest.raises(InputError, match='DerainBeforeTask: on_nonfinite must be'):
        ROOT_MODELS.build(config | dict(on_nonfinite=None))


#: Maps each file that calls ``Derainer.restore`` to the tests of its callers, or to the reason why it has no test.
CALLERS = {
    'mmderain/apis/batches.py': [inferencer, derain_command],
    'mmderain/apis/video_frames.py': [video, derain_command],
    'mmderain/apis/video_opencv.py': [video],
    'mmderain/models/fast_path.py': 'compares the results of two forms of a network',
    'mmderain/models/derainer.py': [tool_test],  # Derainer.predict, also for validations and demo/sample_demo.py
    'mmderain/perception/derain.py': [transform, preprocessor],
    'mmderain/perception/scene.py': [scenes],  # also the web page, and `mmderain detect` and `mmderain segment`
    'tools/analysis_tools/inference_loops.py': 'measures the run time',
    'tools/benchmark_temporal.py': 'compares results with the clean frames',
    'tools/benchmark_video.py': 'measures the run time',
    'tools/dev/compare_tiles.py': 'compares results in tiles with whole results',
    'tools/dev/time_in_tree.py': 'measures the run time',
    'tools/paper_figures.py': 'reads the attention maps of a network, not its result',
}
#: Maps each case to the text of its row in docs/en/troubleshooting.md.
ROWS = {
    inferencer: '`DerainInferencer`',
    derain_command: '`mmderain derain`',
    video: '`derain_video`, `stream_video`, `mmderain derain --live`',
    tool_test: '`tools/test.py`, and the validation of a training',
    scenes: '`mmderain detect`, `mmderain segment`, the web page',
    transform: '`mmderain.Derain`',
    preprocessor: '`mmderain.DerainBeforeTask`',
}
CASES = dict.fromkeys(case for cases in CALLERS.values() if not isinstance(cases, str) for case in cases)


@pytest.mark.parametrize('case', CASES, ids=lambda case: case.__name__)
def test_callers_report_the_image(case, folder, capsys):
    case(folder, capsys)


def test_every_caller_is_in_the_table():
    files = [path for part in ('mmderain', 'tools', 'demo') for path in (ROOT / part).rglob('*.py')]
    assert {path.relative_to(ROOT).as_posix() for path in files if calls_restore(path)} == set(CALLERS)


def test_docs_page_has_a_row_for_each_case():
    assert set(ROWS) == set(CASES)
    text = (ROOT / 'docs/en/troubleshooting.md').read_text(encoding='utf-8').split('## Results that are not finite')[1]
    assert [
        row.split(' | ')[0].removeprefix('| ') for row in text.split('\n## ')[0].splitlines() if row[:2] == '| '
    ] == [
        'caller',
        *ROWS.values(),
        '`tools/export.py`',
        'the function that `load_exported` returns',
    ]


def calls_restore(path: Path) -> bool:
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))) if isinstance(node, ast.Call)]
    return any(isinstance(call.func, ast.Attribute) and call.func.attr == 'restore' for call in calls)


def test_no_file_is_exported_if_the_result_is_not_finite(tmp_path):
    model = Derainer(dict(type='Overflows')).eval()
    model.network.weight.data.fill_(torch.nan)
    with pytest.raises(InputError, match='a.pt2: not written: the result of Overflows contains NaN or infinite values'):
        export_derainer(model, tmp_path / 'a.pt2', (32, 32))
    assert list(tmp_path.iterdir()) == []
