"""Every program and function that searches a folder tells the user which files it has passed over."""

import ast
from types import SimpleNamespace

import cv2
import pytest
import torch
from conftest import ROOT, load_tool, smooth_image, write_pairs
from mmengine.logging import MMLogger

from mmderain.apis import DerainInferencer
from mmderain.apis.plans import make_plan
from mmderain.cli import main, scene
from mmderain.datasets import ImageFolderDataset, PairedImageDataset
from mmderain.io.folders import skipped_by_suffix
from mmderain.io.remote import RemotePath
from mmderain.models import NetworkSpec
from mmderain.perception import scene_files
from mmderain.registry import MODELS

TEXT = 'skipped 3 files: 2 .cr2 (convert raw files to TIFF or JPEG first), 1 .docx'


@MODELS.register_module()
class PassedOver(torch.nn.Module):
    """Network that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


def others(folder):
    """Put three files that are passed over into a folder, and a hidden file that is not counted."""
    for name in ('a.cr2', 'sub/b.CR2', 'c.docx', '.hidden.cr2'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def photographs(folder):
    others(folder)
    cv2.imwrite(str(folder / 'photo.png'), smooth_image(24, 32))
    return folder


def derain(tmp_path, monkeypatch):
    return main(['derain', str(photographs(tmp_path / 'in')), '--out', str(tmp_path / 'out')])


def derain_to_server(tmp_path, monkeypatch):
    pytest.importorskip('fsspec', reason='needs the extra [remote]')
    return main(['derain', str(photographs(tmp_path / 'in')), '--out', f'memory://passed-over/{tmp_path.name}'])


def derain_from_server(tmp_path, monkeypatch):
    pytest.importorskip('fsspec', reason='needs the extra [remote]')
    folder = RemotePath.parse(f'memory://passed-over/{tmp_path.name}-in')
    for path in photographs(tmp_path / 'in').rglob('*.*'):
        (folder / path.relative_to(tmp_path / 'in').as_posix()).write_bytes(path.read_bytes())
    return main(['derain', str(folder), '--out', str(tmp_path / 'out')])


def derain_on_ray(tmp_path, monkeypatch):
    pytest.importorskip('ray', reason='needs the extra [ray]')
    from mmderain.integrations import ray

    def run(plan, *_):  # without a cluster
        assert len(list(plan)) == 1
        return iter(())

    cluster = SimpleNamespace(
        cluster_resources=lambda: dict(CPU=2), data=SimpleNamespace(ActorPoolStrategy=lambda **_: None)
    )
    monkeypatch.setattr(ray, 'derain_blocks', run)
    monkeypatch.setattr(ray, 'connect', lambda: cluster)
    return main(['derain', str(photographs(tmp_path / 'in')), '--out', str(tmp_path / 'out'), '--engine', 'ray'])


def rain(tmp_path, monkeypatch):
    return main(['rain', str(photographs(tmp_path / 'in')), str(tmp_path / 'out')])


def shrink(tmp_path, monkeypatch):
    return prepare('photographs', photographs(tmp_path / 'in'), tmp_path / 'out')


def collect(tmp_path, monkeypatch):
    return prepare('real_rain', photographs(tmp_path / 'in'), tmp_path / 'out')


def release(tmp_path, monkeypatch):
    pairs(tmp_path / 'in')
    return prepare('rain100l', others(tmp_path / 'in'), tmp_path / 'out')


def release_without_pairs(tmp_path, monkeypatch):
    assert prepare('rain100l', others(tmp_path / 'in'), tmp_path / 'out') == 1
    return 0


def named_test_set(tmp_path, monkeypatch):
    pairs(tmp_path / 'in')
    return prepare('rain100l', tmp_path / 'in', tmp_path / 'out', '--test-sets', photographs(tmp_path / 'clean'))


def boxes(tmp_path, monkeypatch):
    folder = photographs(tmp_path / 'in')
    box = '<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>'
    (folder / 'photo.xml').write_text(f'<annotation><object><name>person</name>{box}</object></annotation>')
    return prepare('rtts', folder, tmp_path / 'out')


def evaluate(tmp_path, monkeypatch):
    for name in ('pred', 'gt'):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / 'photo.png'), smooth_image(24, 32))
    return load_tool('evaluate_folder').main([str(others(tmp_path / 'pred')), str(tmp_path / 'gt')])


RULE = dict(type='prefix', img='rain-', gt='norain-')


def data_set(tmp_path, monkeypatch):
    write_pairs(tmp_path, ['1'])
    others(tmp_path / 'rain')
    monkeypatch.setattr(MMLogger.get_current_instance(), 'handle', lambda record: print(record.getMessage()))
    assert len(PairedImageDataset(str(tmp_path), pairing=RULE, pipeline=[])) == 1
    return 0


def folder_of_images(tmp_path, monkeypatch):
    monkeypatch.setattr(MMLogger.get_current_instance(), 'handle', lambda record: print(record.getMessage()))
    assert len(ImageFolderDataset(str(photographs(tmp_path / 'in')), pipeline=[])) == 1
    return 0


def detect(tmp_path, monkeypatch, kind='detector'):
    """Run the command with a stand-in for the detector that finds nothing."""
    monkeypatch.setattr(scene, 'load_task_model', lambda *_: SimpleNamespace(kind=kind))
    monkeypatch.setattr(scene_files, 'make_views', lambda *_: [])
    monkeypatch.setattr(scene_files, 'figure', lambda _: smooth_image(8, 8))
    command = {'detector': 'detect', 'segmentor': 'segment'}[kind]
    return main([command, str(photographs(tmp_path / 'in')), '--out', str(tmp_path / 'out'), '--device', 'cpu'])


def segment(tmp_path, monkeypatch):
    return detect(tmp_path, monkeypatch, 'segmentor')


def pairs(folder):
    for name in ('train', 'test'):
        (folder / name).mkdir(parents=True)
        for stem in ('rain', 'norain'):
            cv2.imwrite(str(folder / f'{name}/{stem}-1.png'), smooth_image(24, 32))


def prepare(*arguments):
    return load_tool('prepare_dataset').main([*map(str, arguments)])


#: Maps each module that searches a folder to its cases, or to the reason why it does not count.
SEARCHES = {
    'mmderain/apis/plan.py': [derain, derain_to_server, derain_on_ray],
    'mmderain/datasets/base.py': [data_set],
    'mmderain/datasets/converters/camvid.py': 'looks for the files that the data set must have',
    'mmderain/datasets/converters/photographs.py': [shrink],
    'mmderain/datasets/converters/real_rain.py': [collect],
    'mmderain/datasets/converters/voc.py': [boxes],
    'mmderain/datasets/preparation/backgrounds.py': [named_test_set],
    'mmderain/datasets/preparation/finding.py': [release, release_without_pairs],
    'mmderain/rain/folder.py': [rain],
    'tools/dev/compare_rain.py': 'reads folders that a developer prepared',
    'tools/dev/measure_derainers.py': 'reads folders that a developer prepared',
    'tools/dev/training_queue.py': 'reads folders that a developer prepared',
    'tools/evaluate_folder.py': [evaluate],
}
CASES = [case for cases in SEARCHES.values() if not isinstance(cases, str) for case in cases]
CASES += [derain_from_server, detect, segment, folder_of_images]
#: Maps the cases to their interfaces in tests/input_faults.py.
INTERFACES = {
    **dict.fromkeys((derain, derain_to_server, derain_on_ray, derain_from_server), 'mmderain derain'),
    **dict.fromkeys((shrink, collect, boxes, named_test_set, release), 'tools/prepare_dataset.py'),
    release_without_pairs: 'tools/prepare_dataset.py',
    data_set: 'datasets.PairedImageDataset',
    detect: 'mmderain detect',
    evaluate: 'tools/evaluate_folder.py',
    folder_of_images: 'datasets.ImageFolderDataset',
    rain: 'mmderain rain',
    segment: 'mmderain segment',
}


@pytest.mark.parametrize(
    'case',
    [
        pytest.param(case, id=case.__name__, marks=pytest.mark.fault(8, INTERFACES[case], 'io.skipped_by_suffix'))
        for case in CASES
    ],
)
def test_files_that_are_passed_over_are_counted(case, tmp_path, monkeypatch, capsys):
    if case.__name__.startswith('derain'):
        config = tmp_path / 'net.py'
        config.write_text("model = dict(type='mmderain.Derainer', network=dict(type='PassedOver'))\n")
        torch.save(dict(state_dict={}), tmp_path / 'net.pth')
        run = main
        options = ['--model', str(config), '--weights', str(tmp_path / 'net.pth')]
        monkeypatch.setitem(globals(), 'main', lambda arguments: run([*arguments, *options]))
    assert case(tmp_path, monkeypatch) == 0
    output = capsys.readouterr()
    assert TEXT in output.out + output.err


def test_the_inferencer_keeps_the_numbers_in_its_plan(tmp_path):
    inferencer = DerainInferencer(dict(model=dict(type='mmderain.Derainer', network=dict(type='PassedOver'))))
    plan = make_plan([photographs(tmp_path / 'in')])
    assert len(list(inferencer.run(plan))) == 1 and skipped_by_suffix(plan.skipped) == TEXT


def test_every_search_has_a_case():
    found = set()
    for path in [path for part in ('mmderain', 'tools', 'demo') for path in (ROOT / part).rglob('*.py')]:
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))) if isinstance(node, ast.Call)]
        if {getattr(call.func, 'id', '') for call in calls} & {'iter_images', 'list_images', 'iter_names'}:
            found.add(path.relative_to(ROOT).as_posix())
    assert found - {'mmderain/io/folders.py'} == set(SEARCHES), 'add a case to SEARCHES, or remove one'
