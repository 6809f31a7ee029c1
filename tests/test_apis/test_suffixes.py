"""The suffixes of result files, and inputs whose results have the same name."""

from pathlib import Path

import pytest
from conftest import smooth_image
from image_files import saved
from PIL import Image

from mmderain.apis.plan import Plan
from mmderain.io.naming import Naming


def put(name, content):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)


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
    monkeypatch.setattr(scene_files, 'make_views', lambda *_: [])
    monkeypatch.setattr(scene_files, 'figure', lambda _: smooth_image(8, 8))
    put('in/a.gif', saved(Image.new('P', (8, 8)), 'GIF'))
    put('in/a.png', saved(Image.new('RGB', (8, 8)), 'PNG'))
    found = dict(scene_files.stream_scenes(['in'], 'out', None, None))
    text = 'in/a.gif and in/a.png: both would be written to out/a.png; use keep_suffix=True (--keep-suffix), or derain'
    assert str(found['in/a.gif']).startswith(text)
    both = dict(scene_files.stream_scenes(['in'], 'both', None, None, keep_suffix=True))
    assert both == {'in/a.gif': [], 'in/a.png': []}
    assert sorted(path.name for path in Path('both').iterdir()) == ['a.gif.png', 'a.png']
