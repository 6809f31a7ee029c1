"""A network whose result is not finite costs the input, which is named, in every program and function that runs it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import smooth_image
from mmengine.model import BaseModule
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TRANSFORMS

from mmderain import cli
from mmderain.apis import (
    DerainInferencer,
    derain_video,
    export_derainer,
    load_exported,
    serve_live,
    stream_video,
)
from mmderain.errors import InputError
from mmderain.io import save_weights, write_frames
from mmderain.models import Derainer, NetworkSpec
from mmderain.perception import scene_files
from mmderain.registry import MODELS
from mmderain.web import build_page

from .places import Task, for_each_scene_command

GOOD, BAD = smooth_image(64, 96), smooth_image(64, 96)
BAD[40:, 70:] = 255  # only one tile of 48 pixels contains white pixels


@MODELS.register_module()
class WhiteOverflows(BaseModule):
    """Network that returns its input. White pixels become ``value``; with ``fp16``, only in this precision."""

    spec = NetworkSpec(halo=0)

    def __init__(self, value: str = 'nan', fp16: bool = False) -> None:
        super().__init__()
        self.value, self.fp16 = float(value), fp16
        self.weight = torch.nn.Parameter(torch.ones(3, 3, 1, 1))

    def forward(self, x):
        result = torch.nn.functional.conv2d(x, self.weight * torch.eye(3)[:, :, None, None])
        if self.fp16 and result.dtype == torch.float32:
            return [result]
        return [torch.where(x >= 1, torch.full_like(result, self.value), result)]


def white(value='nan', fp16=False, **options) -> Derainer:
    return Derainer(dict(type='WhiteOverflows', value=value, fp16=fp16), **options).eval()


#: Networks: NaN and infinite values, in whole images, in one of several tiles, and only in half precision.
NETWORKS = {
    'NaN': {},
    'infinite': dict(value='inf'),
    'NaN in a tile': dict(tile=48),
    'infinite in a tile': dict(value='-inf', tile=48),
    'infinite in fp16': dict(value='inf', fp16=True, precision='fp16'),
    'NaN in bf16': dict(fp16=True, precision='bf16'),
}
TEXT = "the result of WhiteOverflows contains NaN or infinite values. Use precision='fp32'"


def write_files(tmp_path, monkeypatch) -> None:
    """Write a config of an overflowing network, images, numbered images and a video, of which only b is white."""
    monkeypatch.chdir(tmp_path)
    for number, (name, image) in enumerate({'a': GOOD, 'b': BAD, 'c': GOOD}.items()):
        for path in (f'in/{name}.png', f'frames/{number}.png'):
            Path(path).parent.mkdir(exist_ok=True)
            cv2.imwrite(path, image)
    write_frames([np.full((48, 64, 3), 255, np.uint8)] * 3, 'white.mp4', 8)
    Path('net.py').write_text("model = dict(type='mmderain.Derainer', network=dict(type='WhiteOverflows'))\n")
    save_weights('net.pth', white().state_dict(), {})


@pytest.fixture
def files(tmp_path, monkeypatch):
    write_files(tmp_path, monkeypatch)


MODEL = ['--model', 'net.py', '--weights', 'net.pth']


@pytest.mark.fault(1, 'models.Derainer')
@pytest.mark.parametrize('name', NETWORKS)
def test_restore(name):
    options = dict(NETWORKS[name])
    network = {key: options.pop(key) for key in ('value', 'fp16') if key in options}
    model = white(**network, **options)
    batch = torch.from_numpy(np.stack([GOOD, BAD])).permute(0, 3, 1, 2) / 255
    assert model.restore(batch[:1]).isfinite().all()
    with pytest.raises(InputError, match=f'image 1 of the batch .the first is 0.: {TEXT}'):
        model.restore(batch)


@pytest.mark.fault(1, 'apis.DerainInferencer')
@pytest.mark.parametrize('options', [{}, dict(tile=48), dict(precision='bf16')])
def test_inferencer(files, options):
    results = DerainInferencer('net.py', 'net.pth', **options)(['in', GOOD, BAD], batch_size=2)
    assert list(results.failures) == ['in/b.png', 'input 2']
    assert all(text.startswith(f'{name}: {TEXT}') for name, text in results.failures.items())


@pytest.mark.fault(1, 'mmderain derain')
@pytest.mark.parametrize('words', [['in', 'white.mp4'], ['frames/%d.png'], ['white.mp4', '--live']], ids=' '.join)
def test_derain(files, words, capsys):
    out = [] if '--live' in words else ['--out', 'out']
    assert cli.main(['derain', *words, *out, *MODEL]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    names = ['in/b.png', 'white.mp4'] if 'in' in words else words[:1]
    assert [line.startswith(f'error: {name}: {TEXT}') for line, name in zip(errors, names, strict=True)]
    written = sorted(path.name for path in Path('out').glob('*')) if out else []
    assert written == (['a.png', 'c.png'] if 'in' in words else [])


@pytest.mark.fault(1, 'apis.derain_video')
@pytest.mark.parametrize('source, target', [('white.mp4', 'out/o.mp4'), ('frames/%d.png', 'out/%d.png')])
def test_derain_video(files, source, target):
    with pytest.raises(InputError, match=f'^{source}: {TEXT}'):
        derain_video(white(), source, target)
    assert not list(Path('out').glob('*'))


@pytest.mark.fault(1, 'apis.stream_video')
@pytest.mark.parametrize('drop', [True, False])
def test_stream_video(files, drop):
    with pytest.raises(InputError, match=f'^white.mp4: {TEXT}'):
        list(stream_video(white(), 'white.mp4', drop))


@pytest.mark.fault(1, 'apis.serve_live')
def test_serve_live(files):
    with pytest.raises(InputError, match=f'^white.mp4: {TEXT}'):
        serve_live(white(), 'white.mp4', announce=lambda url: None)


@for_each_scene_command(1)
def test_scenes(files, command, task, capsys, monkeypatch):
    monkeypatch.setattr(cli.scene, 'load_task_model', lambda *_: Task(task))
    monkeypatch.setattr(scene_files, 'figure', lambda views: views[-1].image)
    words = ['--out', 'out', '--rain', 'none', '--device', 'cpu', *MODEL]
    assert cli.main([command, 'in', 'white.mp4', *words]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line[: line.index(TEXT)] for line in errors] == ['error: in/b.png: ', 'error: white.mp4: ']
    assert sorted(path.name for path in Path('out').iterdir()) == ['a.png', 'c.png']


@pytest.mark.fault(1, 'mmderain web')
def test_web(files):
    blocks = build_page({'white': white}, {}, 'in')
    (run,) = (entry.fn for entry in blocks.fns.values() if len(entry.inputs) == 7)
    with pytest.raises(Exception) as error:  # gradio.Error, whose message the page shows
        list(run(dict(path='in/b.png'), None, 'white', '', [], 3, 0))
    assert error.value.message.startswith(TEXT)


@pytest.mark.fault(1, 'perception.Derain')
@pytest.mark.parametrize('options', [{}, dict(on_nonfinite='keep')])
def test_transform(files, options):
    derainer = dict(config='net.py', checkpoint='net.pth')
    derain = TRANSFORMS.build(dict(type='mmderain.Derain', derainer=derainer, **options))
    assert np.array_equal(derain(dict(img=GOOD, img_path='a.png'))['img'], GOOD)
    if options:
        assert np.array_equal(derain(dict(img=BAD, img_path='b.png'))['img'], BAD) and derain.kept.count == 1
        return
    with pytest.raises(InputError, match=f'^b.png: {TEXT}'):
        derain(dict(img=BAD, img_path='b.png'))


@pytest.mark.fault(1, 'perception.DerainBeforeTask')
@pytest.mark.parametrize('options', [{}, dict(on_nonfinite='keep')])
def test_preprocessor(files, options):
    derainer, wrapped = dict(config='net.py', checkpoint='net.pth'), dict(type='BaseDataPreprocessor')
    made = ROOT_MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=derainer, wrapped=wrapped, **options))
    batch = torch.from_numpy(np.stack([GOOD, BAD])).permute(0, 3, 1, 2).contiguous()
    if options:
        assert torch.equal(made(dict(inputs=batch))['inputs'], batch.float()) and made.kept.count == 1
        return
    with pytest.raises(InputError, match=f'^image 1 of the batch: {TEXT}'):
        made(dict(inputs=batch))


@pytest.mark.parametrize(
    'suffix, value',
    [
        pytest.param(suffix, value, marks=pytest.mark.fault(1, 'apis.load_exported', 'apis.export_derainer'))
        for suffix, value in (('.pt2', 'nan'), ('.pt2', 'inf'), ('.onnx', 'inf'))
    ],
)
def test_exported_models(files, suffix, value):
    """An infinite value must not become a white pixel."""
    if suffix == '.onnx':
        for name in ('onnx', 'onnxruntime', 'onnxscript'):
            pytest.importorskip(name, reason=f'{name} is not installed')
    export_derainer(white(value), f'a{suffix}', (64, 96))
    run = load_exported(f'a{suffix}')
    good, bad = (torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)[None] / 255 for image in (GOOD, BAD))
    assert torch.allclose(run(good), good)
    with pytest.raises(
        InputError, match=f'^a{suffix}: the result of the exported model contains NaN or infinite values'
    ):
        run(bad)
