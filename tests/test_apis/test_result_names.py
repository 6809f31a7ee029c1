"""The names of result files: transparent pixels in a file named .jpg, and inputs whose results have the same name."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import smooth_image
from image_files import PIXELS, png, saved
from PIL import Image

from mmderain.apis import DerainInferencer
from mmderain.apis.plan import Plan
from mmderain.cli import main
from mmderain.io import decode_image, decode_image_bytes
from mmderain.io.naming import Naming
from mmderain.io.remote import RemotePath
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class DarkenNamed(torch.nn.Module):
    """Network without weights that subtracts 20 levels."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x - 20 / 255]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='DarkenNamed')), default_scope='mmderain')
RGBA = PIXELS['RGBA 8']
#: PNG content, with and without transparent pixels, and a GIF.
TRANSPARENT = png(RGBA, 6)
OPAQUE = png(np.dstack([RGBA[..., :3], np.full_like(RGBA[..., 3], 255)]), 6)
GIF = saved(Image.fromarray(PIXELS['RGB 8']).quantize(16), 'GIF')


@pytest.fixture(scope='module')
def inferencer():
    return DerainInferencer(CONFIG)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put('in/a.jpg', TRANSPARENT)
    put('in/b.JPEG', TRANSPARENT)
    put('in/c.jpg', OPAQUE)
    return tmp_path


def put(name, content):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)


def names(folder='out'):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob('*') if path.is_file())


def is_derained(image):
    """Check the color and the alpha channel of the result for TRANSPARENT."""
    expected = cv2.subtract(np.ascontiguousarray(RGBA[..., 2::-1]), np.full((*RGBA.shape[:2], 3), 20, np.uint8))
    return np.array_equal(image.bgr, expected) and np.array_equal(image.alpha, RGBA[..., 3])


def note(name, result):
    return f'{name}: has transparent pixels, which JPEG cannot store; the result is {result}'


@pytest.mark.parametrize('inputs', ['in', ['in/a.jpg', 'in/b.JPEG', 'in/c.jpg'], lambda: iter(['in'])])
def test_transparent_pixels_named_jpg_are_written_as_png(folder, inferencer, inputs):
    found = inferencer(inputs() if callable(inputs) else inputs, out_dir='out')
    assert found.failures == {} and names() == ['a.png', 'b.png', 'c.jpg']
    assert found.predictions == [Path('out/a.png'), Path('out/b.png'), Path('out/c.jpg')]
    assert is_derained(decode_image('out/a.png')) and is_derained(decode_image('out/b.png'))
    assert decode_image('out/c.jpg').alpha is None
    assert [result.notes for result in found.results] == [
        (note('in/a.jpg', 'out/a.png'),),
        (note('in/b.JPEG', 'out/b.png'),),
        (),
    ]


def test_the_command_prints_one_line_and_continues_a_run(folder, capsys):
    arguments = ['derain', 'in', '--out', 'out', '--log', 'run.jsonl', '--model', 'sian']
    assert main([*arguments, '--keep-suffix']) == 0
    assert names() == ['a.jpg.png', 'b.JPEG.png', 'c.jpg']
    output = capsys.readouterr().out
    assert note('in/a.jpg', 'out/a.jpg.png') in output and note('in/b.JPEG', 'out/b.JPEG.png') in output
    assert main([*arguments, '--keep-suffix', '--existing', 'skip']) == 0
    assert '0 of 3 inputs derained, 3 skipped' in capsys.readouterr().out


def test_existing_results_are_refused_skipped_or_replaced(folder, inferencer):
    put('out/a.png', b'old')
    found = inferencer('in', out_dir='out')
    assert list(found.failures) == ['in/a.jpg'] and 'out/a.png: already exists' in found.failures['in/a.jpg']
    found = inferencer('in', out_dir='out', existing='skip')
    assert [result.skipped for result in found.results] == [True] * 3
    assert found.predictions[0] == Path('out/a.png') and Path('out/a.png').read_bytes() == b'old'
    assert inferencer('in', out_dir='out', existing='replace').failures == {}
    assert is_derained(decode_image('out/a.png'))


SAME = (
    '{} and {}: both would be written to out/a.png; use keep_suffix=True (--keep-suffix), or derain them in two calls'
)


@pytest.mark.parametrize('other', ['a.png', 'a.gif', 'a.PPM'])
@pytest.mark.parametrize('existing', ['refuse', 'replace'])
def test_another_input_with_the_same_result_has_priority(folder, inferencer, other, existing):
    put(f'in/{other}', GIF)
    found = inferencer('in', out_dir='out', existing=existing)
    assert list(found.failures) == ['in/a.jpg']
    assert found.failures['in/a.jpg'].startswith(SAME.format('in/a.jpg', f'in/{other}'))
    assert decode_image('out/a.png').alpha is None
    assert inferencer('in', out_dir='kept', keep_suffix=True).failures == {}
    kept = other if other == 'a.png' else f'{other}.png'
    assert set(names('kept')) == {'a.jpg.png', 'b.JPEG.png', 'c.jpg', kept}


@pytest.mark.parametrize('inputs', [['in/a.jpg', 'x/a.png'], ['in', 'x'], ['x', 'in'], ['x/a.png', 'in']])
def test_inputs_of_other_folders_have_priority(folder, inferencer, inputs):
    put('x/a.png', OPAQUE)
    found = inferencer(inputs, out_dir='out', existing='replace')
    assert list(found.failures) == ['in/a.jpg'] and 'both would be written to out/a.png' in found.failures['in/a.jpg']
    assert decode_image('out/a.png').alpha.min() == 255


@pytest.mark.parametrize('inputs', ['in', ['in/a.jpg', 'in/a.jpeg'], lambda: iter(['in/a.jpg', 'in/a.jpeg'])])
def test_one_of_two_transparent_images_fails(folder, inferencer, inputs):
    put('in/a.jpeg', TRANSPARENT)
    found = inferencer(inputs() if callable(inputs) else inputs, out_dir='out', existing='replace')
    assert len(found.failures) == 1
    first, second = ('in/a.jpg', 'in/a.jpeg')[:: 1 if 'in/a.jpg' in found.failures else -1]
    assert found.failures[first].startswith(SAME.format(first, second))


def test_results_on_servers_follow_the_same_rules(folder, inferencer):
    pytest.importorskip('fsspec', reason='needs the extra [remote]')
    place = RemotePath.parse('memory://result-names')
    for name in ('a.jpg', 'c.jpg'):
        (place / 'in' / name).write_bytes(TRANSPARENT)
    (place / 'in/c.png').write_bytes(OPAQUE)
    for inputs in (['in'], [f'{place}/in']):
        out = f'{place}/out-{len(inputs[0])}'
        found = inferencer(inputs, out_dir=out)
        result = RemotePath.parse(out) / 'a.png'
        assert is_derained(decode_image_bytes(result.read_bytes(), 'a.png'))
        assert found.results[0].notes == (note(f'{inputs[0]}/a.jpg', result),)
        assert 'already exists' in inferencer(inputs, out_dir=out).failures[f'{inputs[0]}/a.jpg']
        assert inferencer(inputs, out_dir=out, existing='skip').results[0].skipped
    assert (
        list(found.failures) == [f'{place}/in/c.jpg'] and 'both would be written' in found.failures[f'{place}/in/c.jpg']
    )
    put('x/a.png', OPAQUE)
    found = inferencer(['in/a.jpg', 'x/a.png'], out_dir=f'{place}/list')
    assert len(found.failures) == 1 and 'both would be written to memory://' in next(iter(found.failures.values()))
    (place / 'x/a.jpg').write_bytes(OPAQUE)  # without out_dir, the same names are no problem
    assert inferencer([f'{place}/in/a.jpg', f'{place}/x/a.jpg']).failures == {}


def test_actors_of_ray_follow_the_same_rules(folder):
    pytest.importorskip('pyarrow', reason='needs the extra [ray]')
    from mmderain.integrations.ray_actors import DerainFiles, result_of, row_of

    put('in/d.jpg', TRANSPARENT)
    put('in/d.png', OPAQUE)
    items = [
        dict(name=f'in/{name}', input=f'in/{name}', output=f'out/{name}', folder='in') for name in ('a.jpg', 'd.jpg')
    ]
    actor = DerainFiles(dict(model=CONFIG, device='cpu'), 1, 1, str(folder), False)
    done, failed = (result_of(row_of(item, result)) for item, result in actor._results(items))
    assert (done.prediction, done.notes) == (Path('out/a.png'), (note('in/a.jpg', folder / 'out/a.png'),))
    assert is_derained(decode_image('out/a.png'))
    assert 'both would be written' in failed.reason and names() == ['a.png']
    (_, again), _ = actor._results(items)
    assert 'a.png: already exists' in again.reason
    actor.existing = 'skip'
    (_, again), _ = actor._results(items)
    assert again.skipped


def test_members_of_shards_keep_their_names_and_fail(folder, inferencer):
    from mmderain.io.tar_shards import Member, write_shard

    with write_shard('a.tar') as writer:
        for name, content in (('1.jpg', TRANSPARENT), ('2.jpg', OPAQUE)):
            writer.add(Member(name, content))
    found = inferencer(['a.tar'], out_dir='out')
    assert found.failures == {
        'a.tar/1.jpg': 'a.tar/1.jpg: cannot write transparent pixels as JPEG, which has no alpha channel; write a .png '
        'file instead'
    }


@pytest.mark.parametrize(
    'name, replaced, kept',
    [
        ('s/a.gif', 's/a.png', 's/a.gif.png'),
        ('a.b.GIF', 'a.b.png', 'a.b.GIF.png'),
        ('a.PNG', 'a.PNG', 'a.PNG'),
        ('a.MKV', 'a.mkv', 'a.mkv'),
        ('a.mp4', 'a.mkv', 'a.mp4.mkv'),
    ],
)
def test_the_suffix_is_replaced_or_appended(tmp_path, name, replaced, kept):
    put(tmp_path / name, b'')
    for naming, result in ((Naming('mkv'), replaced), (Naming('mkv', keep_suffix=True), kept)):
        assert naming.result(name) == result
        assert list(naming.inputs(tmp_path, Path(result))) == [tmp_path / name]


def test_keep_suffix_separates_all_inputs_of_a_folder(tmp_path):
    for name in ('a.gif', 'a.gif.png', 'a.png', 'a.ppm', 'v.avi', 'v.mkv'):
        put(tmp_path / 'in' / name, b'')
    found = {}
    for source in Plan([tmp_path / 'in'], 'out', naming=Naming(keep_suffix=True)):
        try:
            source.is_done()
            found[Path(source.name).name] = str(source.target)
        except ValueError as error:
            found[Path(source.name).name] = str(error).partition(': ')[2]
    assert found == {
        'a.gif': 'both would be written to out/a.gif.png; derain them in two calls with different output folders',
        'a.gif.png': 'out/a.gif.png',
        'a.png': 'out/a.png',
        'a.ppm': 'out/a.ppm.png',
        'v.avi': 'out/v.avi.mp4',
        'v.mkv': 'out/v.mkv.mp4',
    }


def test_detect_keeps_suffixes(tmp_path, monkeypatch):
    from mmderain.perception import scene_files

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scene_files, 'view_scene', lambda *_: [])
    monkeypatch.setattr(scene_files, 'figure', lambda _: smooth_image(8, 8))
    put('in/a.gif', GIF)
    put('in/a.png', OPAQUE)
    found = scene_files.show_scenes(['in'], 'out', None, None)
    assert SAME.format('in/a.gif', 'in/a.png') in str(found['in/a.gif'])
    assert scene_files.show_scenes(['in'], 'both', None, None, keep_suffix=True) == {'in/a.gif': [], 'in/a.png': []}
    assert names('both') == ['a.gif.png', 'a.png']
