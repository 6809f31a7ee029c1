"""The actors of Ray, called in this process: videos, names that are not UTF-8, and images of a wrong type."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmderain.apis import InputResult
from mmderain.apis.plan import Plan
from mmderain.errors import InputError
from mmderain.integrations.ray_actors import DerainBatch, DerainFiles, result_of, result_schema, row_of
from mmderain.integrations.ray_blocks import checked
from mmderain.integrations.ray_cluster import absolute_path, is_model_path
from mmderain.io.video import VideoOptions
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class UnchangedByActor(torch.nn.Module):
    """Network without weights that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='UnchangedByActor')), default_scope='mmderain')


def test_an_actor_uses_the_video_options_and_returns_the_notes(tmp_path):
    pyarrow = pytest.importorskip('pyarrow', reason='needs the extra [ray]')
    av = pytest.importorskip('av', reason='needs the extra [video]')
    from video_files import make_video

    make_video(tmp_path / 'a.mp4', size=(63, 48), pix_fmt='yuv444p')
    actor = DerainFiles(
        dict(model=CONFIG, device='cpu'), 1, 1, str(tmp_path), False, VideoOptions(codec='hevc', container='mkv')
    )
    item = dict(name='a.mp4', input='a.mp4', output='out/a.mkv')
    (row,) = actor(pyarrow.Table.from_pylist([item])).to_pylist()
    with av.open(tmp_path / 'out/a.mkv') as video:
        assert (video.format.name, video.streams.video[0].name) == ('matroska,webm', 'hevc')
    result = result_of(row)
    assert (result.name, result.status, result.prediction) == ('a.mp4', 'ok', Path('out/a.mkv'))
    text = 'a.mp4: 63x48 becomes 64x48, because hevc needs even sizes; the last row or column is repeated'
    assert result.notes == (f'{tmp_path}/{text}',)


@pytest.mark.skipif(sys.platform != 'linux', reason='other systems have no names with arbitrary bytes')
def test_only_the_file_whose_name_is_not_utf8_fails(tmp_path):
    bad = os.fsdecode(b'b\xff.png')
    for name in ('a.png', bad, 'c.png'):
        (tmp_path / name).touch()
    found = {source.name: result for source, result in checked(Plan([tmp_path], tmp_path / 'out'))}
    assert found[str(tmp_path / 'a.png')] is None and found[str(tmp_path / 'c.png')] is None
    reason = 'the name is not valid UTF-8; rename the file, or derain it without --engine ray'
    assert found[str(tmp_path / bad)].reason == f'{str(tmp_path / bad)!r}: {reason}'


def test_a_member_whose_name_is_not_utf8_does_not_stop_its_block():
    pyarrow = pytest.importorskip('pyarrow', reason='needs the extra [ray]')
    name = 'a.tar/' + os.fsdecode(b'b\xff.png')
    result = InputResult.of_error(name, InputError(f'{name}: no image'))
    row = row_of(dict(name='a.tar', output='out/a.tar'), result)
    (row,) = pyarrow.Table.from_pylist([row], schema=result_schema()).to_pylist()
    assert (row['path'], row['error']) == ('a.tar/b\\udcff.png', 'a.tar/b\\udcff.png: no image')


@pytest.mark.parametrize(
    'image, found',
    [
        (np.zeros((8, 9, 4), np.uint8), r'uint8 of shape \(8, 9, 4\)'),
        (np.zeros((8, 9), np.uint8), r'uint8 of shape \(8, 9\)'),
        (np.zeros((8, 9, 3), np.float32), r'float32 of shape \(8, 9, 3\)'),
    ],
)
def test_the_batch_actor_refuses_other_images_than_rgb(image, found):
    actor = DerainBatch('photo', model=CONFIG, device='cpu')
    expected = r'; expected RGB uint8 \(H, W, 3\); use read_images\(\.\.\., mode="RGB"\)$'
    with pytest.raises(InputError, match=f"^column 'photo': found {found}{expected}"):
        actor(dict(photo=np.stack([image, image])))


def test_paths_of_models_become_absolute_and_names_do_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('nafnet', 'my_model', 'sub/model'):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / 'a.py').touch()
    models = ['nafnet', 'my_model', 'sub/model', 'a.py', Path('nafnet'), 'none.py', CONFIG]
    assert [absolute_path(model) if is_model_path(model) else model for model in models] == [
        'nafnet',
        *(f'{tmp_path}/{name}' for name in ('my_model', 'sub/model', 'a.py', 'nafnet')),
        'none.py',
        CONFIG,
    ]


def test_names_that_arrow_accepts_are_not_changed():
    item = dict(name='é.png', output='out/é.png')
    row = row_of(item, InputResult('é.png', size=(8, 9), notes=('a note',)))
    assert (row['path'], row['error'], row['height'], row['notes']) == ('é.png', None, 8, ['a note'])
