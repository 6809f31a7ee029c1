"""Errors for wrong URLs, and for inputs that a server does not have. Each error names the input."""

import os
import re

import pytest
import torch
from conftest import needs_aiohttp, smooth_image
from object_store import empty_memory_folder

from mmderain.apis import DerainInferencer
from mmderain.apis.plan import Plan
from mmderain.apis.plans import make_plan
from mmderain.errors import InputError
from mmderain.io import encode_image
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS

pytest.importorskip('fsspec', reason='needs the extra [remote]')
SMALL = encode_image(smooth_image(16, 16), '.png')


@MODELS.register_module()
class UnchangedRemote(torch.nn.Module):
    """Network without weights that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


@pytest.fixture(scope='module')
def inferencer():
    network = dict(type='UnchangedRemote')
    return DerainInferencer(dict(model=dict(type='Derainer', network=network), default_scope='mmderain'))


@pytest.fixture
def memory():
    return empty_memory_folder('inputs')


@pytest.mark.parametrize(
    'inputs, out_dir, message',
    [
        (
            ['memory://inputs/in', 'a.png'],
            'out',
            'memory://inputs/in: is a URL, but other inputs are not; derain the two',
        ),
        (['memory://inputs/in', 'memory://inputs/b'], 'out', 'memory://inputs/in: if a folder is read from a server'),
        (['memory://inputs/in'], 'memory://inputs/in/out', 'memory://inputs/in/out: overlaps with the input folder'),
        pytest.param(
            ['memory://inputs/in'],
            'http://localhost',
            'http://localhost: web servers are read only; expected a local',
            marks=needs_aiohttp,
        ),
        (['memory://inputs/in'], __file__, f'{__file__}: is a file; expected a folder for the results'),
        (['memory://inputs/none'], 'out', 'memory://inputs/none: no such folder'),
        (
            ['http://localhost/a.png'],
            'sss://b',
            'sss://b: found a URL with sss://; expected a local path, or one of s3',
        ),
        (
            iter(['a.png']),
            'memory://inputs/out',
            'memory://inputs/out: is a URL; expected a list of inputs, found list_',
        ),
    ],
)
def test_wrong_urls_are_refused_before_anything_is_derained(inferencer, memory, inputs, out_dir, message):
    (memory / 'in/a.png').write_bytes(SMALL)
    with pytest.raises(InputError) as caught:
        inferencer.stream(inputs, out_dir=out_dir)
    assert str(caught.value).startswith(message)


def test_urls_in_an_iterator_and_of_other_commands_are_refused(inferencer):
    reason = 'memory://inputs/a.png: URLs are accepted only by `mmderain derain` and, in a list, by DerainInferencer'
    assert [result.reason for result in inferencer.stream(iter(['memory://inputs/a.png']))] == [reason]
    with pytest.raises(InputError, match=f'^{re.escape(reason)}$'):
        Plan(['memory://inputs/a.png'])


def test_videos_and_repeated_names_fail_with_their_names(inferencer, memory):
    for name in ('in/a.mp4', 'in/b.gif', '1/x.png', '2/x.png'):
        (memory / name).write_bytes(SMALL)
    only = ': only images (.png, .jpg, .jpeg, .bmp, .tif, .tiff, .webp) are read from servers and written to them; copy'
    failures = inferencer(f'{memory}/in', out_dir=f'{memory}/out').failures
    assert [text.startswith(name + only) for name, text in failures.items()] == [True, True]
    failures = inferencer([f'{memory}/1/x.png', f'{memory}/2/x.png'], out_dir=f'{memory}/out').failures
    assert failures == {
        'memory://inputs/2/x.png': 'memory://inputs/2/x.png and memory://inputs/1/x.png: both would be written to '
        'memory://inputs/out/x.png; derain them in two calls with different output folders'
    }


def test_existing_results_are_kept_if_the_server_cannot_be_asked(inferencer, memory, tmp_path, monkeypatch):
    (memory / 'out/a.png').write_bytes(b'old')
    (tmp_path / 'a.png').write_bytes(SMALL)

    def refuse(path, **_):
        raise PermissionError('Forbidden')

    monkeypatch.setattr(memory.filesystem, 'info', refuse)
    for existing in ('refuse', 'skip'):
        (result,) = inferencer.stream([tmp_path / 'a.png'], out_dir='memory://inputs/out', existing=existing)
        assert result.reason == (
            'memory://inputs/out/a.png: cannot be looked up, access denied (Forbidden); check the credentials'
        )
    assert (memory / 'out/a.png').read_bytes() == b'old'


def test_a_local_folder_that_cannot_be_opened_fails_with_its_name(inferencer, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(os, 'scandir', refuse)
    (result,) = inferencer.stream([tmp_path], out_dir='memory://inputs/out')
    assert result.reason == f'{tmp_path}: the folder cannot be opened (Permission denied)'
    assert make_plan([tmp_path], 'memory://inputs/out').count() == 1
