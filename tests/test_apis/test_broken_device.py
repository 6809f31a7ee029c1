"""A run ends if the GPU cannot be used any more. Another run can continue the work."""

import json
import os
import subprocess
import sys

import cv2
import pytest
import torch
from conftest import ROOT, smooth_image

from mmderain.apis import DerainInferencer
from mmderain.errors import InputError
from mmderain.io import encode_image
from mmderain.io.tar_shards import Member, write_shard
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS

pytestmark = pytest.mark.skipif(
    not hasattr(torch, 'AcceleratorError'), reason='this version of torch has no AcceleratorError'
)


@MODELS.register_module()
class UnchangedByGpu(torch.nn.Module):
    """Network without weights that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='UnchangedByGpu')), default_scope='mmderain')


@pytest.fixture
def inferencer():
    return DerainInferencer(CONFIG)


def broken_model(inferencer, monkeypatch):
    """Let the network of an inferencer fail at the third call, as if the GPU were broken."""
    calls = []
    restore = inferencer.model.restore

    def fail(batch, tile):
        calls.append(len(batch))
        if len(calls) > 2:
            raise torch.AcceleratorError('CUDA error: an illegal memory access was encountered\nsecond line')
        return restore(batch, tile)

    monkeypatch.setattr(inferencer.model, 'restore', fail)
    return calls


BROKEN = r'^the GPU cannot be used any more \(CUDA error: an illegal memory access was encountered\); run the same '


@pytest.mark.parametrize('batch_size, kept', [(1, 2), (2, 4)])
def test_a_broken_gpu_ends_the_run_after_the_failure_is_recorded(inferencer, tmp_path, monkeypatch, batch_size, kept):
    calls = broken_model(inferencer, monkeypatch)
    for number in range(9):
        cv2.imwrite(str(tmp_path / f'{number}.png'), smooth_image(16, 16, number))
    results = inferencer.stream([tmp_path], batch_size=batch_size, out_dir=tmp_path / 'out', log=tmp_path / 'log')
    seen = []
    with pytest.raises(InputError, match=BROKEN + 'command again with --existing skip$'):
        seen.extend(results)
    lines = [json.loads(line) for line in (tmp_path / 'log').read_text().splitlines()]
    assert [line['status'] for line in lines] == ['ok'] * kept + ['failed'] * batch_size
    assert len(list((tmp_path / 'out').iterdir())) == kept and calls == [batch_size] * 3


def test_a_broken_gpu_ends_a_run_of_shards(inferencer, tmp_path, monkeypatch):
    broken_model(inferencer, monkeypatch)
    for number in range(3):
        with write_shard(tmp_path / f'{number}.tar') as writer:
            writer.add(Member('a.png', encode_image(smooth_image(16, 16), '.png')))
    names = [tmp_path / f'{number}.tar' for number in range(3)]
    with pytest.raises(InputError, match=BROKEN):
        list(inferencer.stream(names, out_dir=tmp_path / 'out'))
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['0.tar', '1.tar']


#: Program that calls an actor whose network breaks the GPU.
ACTOR = """
import sys
import pyarrow
import torch
from mmderain.integrations.ray_actors import DerainFiles

def fail(batch, tile):
    raise torch.AcceleratorError('CUDA error: an illegal memory access was encountered')

actor = DerainFiles(dict(model='nafnet', device='cpu'), 1, 1, sys.argv[1], False)
actor.pipeline.model.restore = fail
actor(pyarrow.Table.from_pylist([dict(name='a.png', input='a.png', output='out/a.png')]))
"""


def test_an_actor_of_ray_ends_so_that_ray_starts_another_one(tmp_path):
    pytest.importorskip('pyarrow', reason='needs the extra [ray]')
    cv2.imwrite(str(tmp_path / 'a.png'), smooth_image(16, 16))
    environment = os.environ | dict(PYTHONPATH=str(ROOT))
    words = [sys.executable, '-c', ACTOR, str(tmp_path)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 70
    assert done.stderr.endswith(
        'the GPU cannot be used any more (CUDA error: an illegal memory access was encountered); this actor ends\n'
    )
