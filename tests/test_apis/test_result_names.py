"""The results of files that are named .jpg and have transparent pixels: their names, also if inputs are divided."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from image_files import PIXELS, png, saved
from PIL import Image

from mmderain.apis import DerainInferencer
from mmderain.apis.plan import Plan
from mmderain.apis.plans import make_plan
from mmderain.cli import main
from mmderain.io import decode_image, decode_image_bytes
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
    assert found.failures == {} and names() == ['a.jpg.png', 'b.JPEG.png', 'c.jpg']
    assert found.predictions == [Path('out/a.jpg.png'), Path('out/b.JPEG.png'), Path('out/c.jpg')]
    assert is_derained(decode_image('out/a.jpg.png')) and is_derained(decode_image('out/b.JPEG.png'))
    assert decode_image('out/c.jpg').alpha is None
    assert [result.notes for result in found.results] == [
        (note('in/a.jpg', 'out/a.jpg.png'),),
        (note('in/b.JPEG', 'out/b.JPEG.png'),),
        (),
    ]


def test_the_target_of_a_source_changes_only_for_transparent_pixels(folder):
    sources = list(Plan(['in'], 'out'))
    assert [source.fit_target(source.load()) for source in sources] == [True, True, False]
    assert [str(source.target) for source in sources] == ['out/a.jpg.png', 'out/b.JPEG.png', 'out/c.jpg']
    assert [source.is_done() for source in sources] == [False, False, False]


def test_the_command_prints_one_line_and_continues_a_run(folder, capsys):
    arguments = ['derain', 'in', '--out', 'out', '--log', 'run.jsonl', '--model', 'sian']
    assert main(arguments) == 0
    assert names() == ['a.jpg.png', 'b.JPEG.png', 'c.jpg']
    output = capsys.readouterr().out
    assert note('in/a.jpg', 'out/a.jpg.png') in output and note('in/b.JPEG', 'out/b.JPEG.png') in output
    assert main([*arguments, '--existing', 'skip']) == 0
    assert '0 of 3 inputs derained, 3 skipped' in capsys.readouterr().out


def test_existing_results_are_refused_skipped_or_replaced(folder, inferencer):
    put('out/a.jpg.png', b'old')
    found = inferencer('in', out_dir='out')
    assert list(found.failures) == ['in/a.jpg'] and 'out/a.jpg.png: already exists' in found.failures['in/a.jpg']
    found = inferencer('in', out_dir='out', existing='skip')
    assert [result.skipped for result in found.results] == [True] * 3
    assert found.predictions[0] == Path('out/a.jpg.png') and Path('out/a.jpg.png').read_bytes() == b'old'
    assert inferencer('in', out_dir='out', existing='replace').failures == {}
    assert is_derained(decode_image('out/a.jpg.png'))


SAME = '{} and {}: both would be written to {}; use keep_suffix=True (--keep-suffix), or derain them in two calls'
MOVED = 'out/a.jpg.png'


@pytest.mark.parametrize('other, failed', [('a.jpg.png', ['in/a.jpg']), ('a.jpg.gif', ['in/a.jpg']), ('a.png', [])])
@pytest.mark.parametrize('existing', ['refuse', 'replace'])
def test_another_input_with_the_same_result_has_priority(folder, inferencer, other, failed, existing):
    put(f'in/{other}', GIF)
    found = inferencer('in', out_dir='out', existing=existing)
    assert list(found.failures) == failed
    assert failed == [] or found.failures['in/a.jpg'].startswith(SAME.format('in/a.jpg', f'in/{other}', MOVED))
    assert set(names()) == {'b.JPEG.png', 'c.jpg', 'a.png' if other == 'a.png' else 'a.jpg.png', 'a.jpg.png'}
    assert is_derained(decode_image(MOVED)) == (failed == [])


LISTS = [['in/a.jpg', 'x/a.jpg.png'], ['in', 'x'], ['x', 'in'], ['x/a.jpg.png', 'in'], ['in', 'x/a.jpg.png']]


@pytest.mark.parametrize('inputs', LISTS)
def test_inputs_of_other_folders_have_priority(folder, inferencer, inputs):
    put('x/a.jpg.png', OPAQUE)
    found = inferencer(inputs, out_dir='out', existing='replace')
    assert list(found.failures) == ['in/a.jpg'] and f'both would be written to {MOVED}' in found.failures['in/a.jpg']
    assert decode_image(MOVED).alpha.min() == 255


@pytest.mark.parametrize('inputs', ['in', ['in/a.jpg', 'in/a.jpeg'], lambda: iter(['in/a.jpg', 'in/a.jpeg'])])
def test_two_transparent_images_have_results_with_different_names(folder, inferencer, inputs):
    put('in/a.jpeg', TRANSPARENT)
    assert inferencer(inputs() if callable(inputs) else inputs, out_dir='out').failures == {}
    assert {'a.jpg.png', 'a.jpeg.png'} <= set(names())


def test_results_on_servers_follow_the_same_rules(folder, inferencer):
    pytest.importorskip('fsspec', reason='needs the extra [remote]')
    place = RemotePath.parse('memory://result-names')
    for name in ('a.jpg', 'c.jpg'):
        (place / 'in' / name).write_bytes(TRANSPARENT)
    (place / 'in/c.jpg.png').write_bytes(OPAQUE)
    for inputs in (['in'], [f'{place}/in']):
        out = f'{place}/out-{len(inputs[0])}'
        found = inferencer(inputs, out_dir=out)
        result = RemotePath.parse(out) / 'a.jpg.png'
        assert is_derained(decode_image_bytes(result.read_bytes(), 'a.png'))
        assert found.results[0].notes == (note(f'{inputs[0]}/a.jpg', result),)
        assert 'already exists' in inferencer(inputs, out_dir=out).failures[f'{inputs[0]}/a.jpg']
        assert inferencer(inputs, out_dir=out, existing='skip').results[0].skipped
    assert (
        list(found.failures) == [f'{place}/in/c.jpg'] and 'both would be written' in found.failures[f'{place}/in/c.jpg']
    )
    put('x/a.jpg.png', OPAQUE)
    found = inferencer(['in/a.jpg', 'x/a.jpg.png'], out_dir=f'{place}/list')
    assert list(found.failures) == ['in/a.jpg'] and 'both would be written to memory://' in found.failures['in/a.jpg']
    (place / 'x/a.jpg').write_bytes(OPAQUE)  # without out_dir, the same names are no problem
    assert inferencer([f'{place}/in/a.jpg', f'{place}/x/a.jpg']).failures == {}


def on_ray(inputs, out='out', **options):
    """Derain inputs with an actor of Ray in this process, and return the results, keyed by the names of the inputs."""
    pytest.importorskip('pyarrow', reason='needs the extra [ray]')
    from mmderain.integrations.ray_actors import DerainFiles, result_of, row_of
    from mmderain.integrations.ray_blocks import checked, other_inputs, row_of_source

    plan = make_plan(inputs, out, options.get('existing', 'refuse'))
    rows = [row_of_source(source) for source, result in checked(plan) if result is None]
    actor = DerainFiles(dict(model=CONFIG, device='cpu'), 1, 1, str(Path.cwd()), False, **options, **other_inputs(plan))
    results = [result_of(row_of(item, result)) for item, result in actor._results(rows)]
    return {result.name: result for result in results}


def test_actors_of_ray_follow_the_same_rules(folder):
    put('in/d.jpg', TRANSPARENT)
    put('in/d.jpg.png', OPAQUE)
    found = on_ray(['in'])
    done, failed = found['in/a.jpg'], found['in/d.jpg']
    assert (done.prediction, done.notes) == (Path('out/a.jpg.png'), (note('in/a.jpg', folder / 'out/a.jpg.png'),))
    assert is_derained(decode_image('out/a.jpg.png'))
    assert 'both would be written' in failed.reason and decode_image('out/d.jpg.png').alpha.min() == 255
    assert names() == ['a.jpg.png', 'b.JPEG.png', 'c.jpg', 'd.jpg.png']
    assert 'a.jpg.png: already exists' in on_ray(['in'])['in/a.jpg'].reason
    again = on_ray(['in'], existing='skip')
    assert again['in/a.jpg'].prediction == Path('out/a.jpg.png') and 'in/c.jpg' not in again


@pytest.mark.parametrize('inputs', LISTS)
def test_actors_of_ray_know_the_inputs_of_other_blocks(folder, inputs):
    put('x/a.jpg.png', OPAQUE)
    found = on_ray(inputs)
    assert f'both would be written to {folder}/out/a.jpg.png' in found['in/a.jpg'].reason
    assert found['x/a.jpg.png'].error is None


def test_actors_of_ray_know_the_inputs_of_other_blocks_on_servers(folder):
    pytest.importorskip('fsspec', reason='needs the extra [remote]')
    put('x/a.jpg.png', OPAQUE)
    found = on_ray(LISTS[0], 'memory://ray-names/out')
    assert 'both would be written to memory://ray-names/out/a.jpg.png' in found['in/a.jpg'].reason
    assert found['x/a.jpg.png'].error is None


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
