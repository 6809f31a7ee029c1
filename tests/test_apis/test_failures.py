"""An input that cannot be derained, for any reason, does not stop the other inputs."""

import gc
import weakref
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
from conftest import smooth_image

from mmderain.apis import DerainInferencer
from mmderain.errors import InputError
from mmderain.io import decode_image, write_image
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class Unchanged(torch.nn.Module):
    """Network without weights that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='Unchanged')), default_scope='mmderain')


@pytest.fixture
def inferencer():
    return DerainInferencer(CONFIG)


def write(path, seed=0, size=(24, 30)):
    mmcv.imwrite(smooth_image(*size, seed), str(path))


ERRORS = [RuntimeError('shapes differ'), RecursionError('too deep'), IndexError('9'), TypeError('x'), cv2.error('y')]


@pytest.mark.parametrize('error', ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize('part', ['load', 'network', 'write', 'video'])
def test_an_exception_for_one_input_does_not_stop_the_others(part, error, inferencer, tmp_path, monkeypatch):
    """The second of three inputs fails. If it is an image, it is in one batch with the other inputs."""
    inputs = [tmp_path / f'{name}.png' for name in 'abc']
    for seed, path in enumerate(inputs):
        write(path, seed)
    if part == 'video':
        inputs[1] = tmp_path / 'b.mp4'
        inputs[1].touch()
        monkeypatch.setattr('mmderain.apis.pipeline.derain_video', raising(error))
    elif part == 'network':
        marked = torch.from_numpy(smooth_image(24, 30, 1)[0, 0, ::-1] / 255).float()
        restore = inferencer.model.restore
        monkeypatch.setattr(
            inferencer.model,
            'restore',
            lambda batch, *args: (
                raising(error)() if (batch[:, :, 0, 0] == marked).all(1).any() else restore(batch, *args)
            ),
        )
    else:
        name = dict(load='mmderain.apis.sources.decode_image', write='mmderain.apis.sources.write_image')[part]
        function = decode_image if part == 'load' else write_image
        monkeypatch.setattr(
            name, lambda *args: raising(error)() if any('b.png' in str(arg) for arg in args) else function(*args)
        )
    result = inferencer(inputs, out_dir=tmp_path / 'out', batch_size=3)
    assert [entry.status for entry in result.results] == ['ok', 'failed', 'ok']
    assert [entry.prediction for entry in result.results] == [tmp_path / 'out/a.png', None, tmp_path / 'out/c.png']
    bad = result.results[1]
    assert bad.error is error and bad.reason == f'{inputs[1]}: {type(error).__name__}: {error}'
    assert result.failures == {str(inputs[1]): bad.reason}
    assert np.array_equal(mmcv.imread(str(tmp_path / 'out/c.png')), smooth_image(24, 30, 2))


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def test_paths_that_cannot_be_used_are_reported_as_failures(inferencer, tmp_path):
    """Test links in a loop, a file at the path of an output folder, and very long names."""
    folder = tmp_path / 'in'
    write(folder / 'sub/a.png'), write(folder / 'b.png'), write(folder / ('n' * 251 + '.png'))
    (folder / 'loop.png').symlink_to('loop.png')
    (folder / 'other').symlink_to(folder, target_is_directory=True)
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/sub').touch()
    result = inferencer([folder, 'm' * 256 + '.png'], out_dir=tmp_path / 'out')
    status = {Path(entry.name).name: entry.status for entry in result.results}
    assert status == {
        'a.png': 'failed',
        'b.png': 'ok',
        'loop.png': 'failed',
        'n' * 251 + '.png': 'ok',
        'm' * 80 + '...': 'failed',
    }
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['b.png', 'n' * 251 + '.png', 'sub']


def test_images_above_the_limit_of_pixels_are_reported_as_failures(tmp_path):
    write(tmp_path / 'a.png', size=(24, 30)), write(tmp_path / 'b.png', size=(20, 30))
    result = DerainInferencer(CONFIG, max_pixels=600)(tmp_path)
    assert [entry.status for entry in result.results] == ['failed', 'ok']
    assert 'a.png: has 30x24 pixels, more than the limit of 600' in result.results[0].reason


@pytest.mark.parametrize('name', ['result.png', 'result.MP4'])
def test_an_output_folder_with_the_name_of_a_file_is_refused(inferencer, tmp_path, name):
    write(tmp_path / 'a.png')
    with pytest.raises(InputError, match=f'{name}: is the name of a file; expected a folder'):
        inferencer(tmp_path / 'a.png', out_dir=tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_failed_batch_keeps_no_tensors_in_memory(inferencer, tmp_path, monkeypatch):
    """The traceback of a stored exception would keep the local variables of the network in memory."""
    kept = []

    def fail(batch, tile):
        activation = batch * 2
        kept.append(weakref.ref(activation))
        try:
            hidden_fail(activation)
        except ValueError as error:  # its frame has another tensor
            raise RuntimeError('shapes differ') from (error if len(kept) > 2 else None)

    def hidden_fail(activation):
        inner = activation + 1
        kept.append(weakref.ref(inner))
        raise ValueError

    for seed in range(3):
        write(tmp_path / f'{seed}.png', seed)
    monkeypatch.setattr(inferencer.model, 'restore', fail)
    result = inferencer(tmp_path, batch_size=3)
    assert [entry.status for entry in result.results] == ['failed'] * 3
    gc.collect()
    assert len(kept) == 10 and not any(reference() is not None for reference in kept)


def test_an_error_of_the_network_is_raised_for_a_single_input(inferencer, tmp_path, monkeypatch):
    """An error of too little memory is raised as an InputError, and other errors are not changed."""
    write(tmp_path / 'a.png')
    for error, raised in ((RuntimeError('shapes differ'), RuntimeError), (MemoryError(), InputError)):
        monkeypatch.setattr(inferencer.model, 'restore', raising(error))
        with pytest.raises(raised, match='shapes differ|a.png: the memory of the device is too small'):
            inferencer(tmp_path / 'a.png')
