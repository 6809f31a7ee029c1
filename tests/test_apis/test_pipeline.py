"""The pipeline: order, batches, bounded look-ahead, exact conversions, and little memory."""

import hashlib
import itertools
import threading

import cv2
import numpy as np
import pytest
import torch
from conftest import smooth_image

from mmderain.apis import DerainInferencer
from mmderain.apis.pipeline import Pipeline
from mmderain.apis.sources import Source
from mmderain.errors import InputError
from mmderain.io import decode_image, to_bgr_uint8, to_rgb_tensor
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class PipelineDim(torch.nn.Module):
    """Network without weights: 0.75 * x + 0.0625, which is exact in every order of operations."""

    spec = NetworkSpec(halo=0)

    def forward(self, x):
        return [x * 0.75 + 0.0625]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='PipelineDim')), default_scope='mmderain')
#: SHA-256 of the results of an earlier version, which read, derained and wrote one input after the other.
SEQUENTIAL = {
    ('uint8', None): 'a17e8174ad0380bb',
    ('uint8', 3): '59f2e293a4ca6d57',
    ('uint8', 4): '5a395c2f9becdf1d',
    ('uint16', None): '960bb47c430c7b79',
    ('uint16', 3): 'a9efdb062884674a',
    ('uint16', 4): '1b4422adafdc5e60',
}


@pytest.fixture(scope='module')
def inferencer():
    return DerainInferencer(CONFIG)


def stored_input(dtype: str, channels: int | None) -> np.ndarray:
    shape = (37, 53) if channels is None else (37, 53, channels)
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


@pytest.mark.parametrize('batch_size', [1, 4])
def test_results_are_bit_equal_to_those_of_the_sequential_version(inferencer, batch_size):
    arrays = [stored_input(*kind) for kind in SEQUENTIAL] * 2
    results = inferencer(arrays, batch_size=batch_size).predictions
    found = [hashlib.sha256(result.tobytes()).hexdigest()[:16] for result in results]
    assert found == list(SEQUENTIAL.values()) * 2
    assert [result.shape for result in results] == [array.shape for array in arrays]


def test_arrays_in_any_memory_layout_are_converted(inferencer):
    image = smooth_image(20, 30)
    (expected,) = inferencer(image).predictions
    for array in (np.asfortranarray(image), np.rot90(np.ascontiguousarray(np.rot90(image, 3)))):
        assert np.array_equal(inferencer(array).predictions[0], expected)


@pytest.mark.parametrize('model', ['sian', 'nafnet'])
def test_batches_change_values_by_at_most_one_level(model):
    images = [smooth_image(24, 32, seed) for seed in range(5)]
    inferencer = DerainInferencer(model)
    batches = inferencer(images, batch_size=4).predictions
    with torch.inference_mode():
        plain = [to_bgr_uint8(inferencer.model.restore(to_rgb_tensor(image)[None])[0]) for image in images]
    assert all(np.array_equal(*pair) for pair in zip(inferencer(images).predictions, plain, strict=True))
    assert max(cv2.absdiff(*pair).max() for pair in zip(batches, plain, strict=True)) <= 1


def numbers(inputs, taken):
    for image in inputs:
        taken.append(len(taken))
        yield image


def test_an_endless_iterator_is_read_only_as_far_as_needed(inferencer):
    taken = []
    inputs = numbers((smooth_image(8, 9, seed) for seed in itertools.count()), taken)
    stream = inferencer.stream(inputs, batch_size=4, workers=2)
    ahead = []
    for number, result in enumerate(itertools.islice(stream, 100)):
        assert result.name == f'input {number}'
        assert np.array_equal(result.prediction, inferencer(smooth_image(8, 9, number)).predictions[0])
        ahead.append(len(taken) - number)
    assert 16 <= max(ahead) <= 16 + 4 + 4  # read ahead, in the network, and being written by two threads
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith('mmderain_')]


def test_large_images_are_not_read_far_ahead(inferencer, monkeypatch):
    monkeypatch.setattr('mmderain.apis.pipeline.MAX_BYTES', 10 * 300 * 400 * 3)
    taken = []
    stream = inferencer.stream(numbers((smooth_image(300, 400, s) for s in itertools.count()), taken), batch_size=8)
    ahead = [len(taken) - number for number, _ in enumerate(itertools.islice(stream, 30))]
    assert max(ahead[15:]) <= 11


def test_images_of_mixed_sizes_form_batches_and_keep_their_order(inferencer, monkeypatch):
    shapes = []
    restore = inferencer.model.restore
    monkeypatch.setattr(inferencer.model, 'restore', lambda b, t: shapes.append(tuple(b.shape)) or restore(b, t))
    images = [smooth_image(10 + number % 3, 12, number) for number in range(24)]
    results = inferencer(images, batch_size=4).predictions
    assert shapes == [(4, 3, 10 + number % 3, 12) for number in range(6)]
    expected = [to_bgr_uint8(to_rgb_tensor(image) * 0.75 + 0.0625) for image in images]
    assert all(np.array_equal(*pair) for pair in zip(results, expected, strict=True))


def fails_above(monkeypatch, model, limit):
    """Let the model run out of memory for batches of more than ``limit`` pixels, and return the tried shapes."""
    restore, shapes = model.restore, []

    def limited(batch, tile):
        shapes.append((len(batch), *batch.shape[-2:], tile))
        if len(batch) * min(batch.shape[-2], tile or 10**9) * min(batch.shape[-1], tile or 10**9) > limit:
            raise torch.OutOfMemoryError
        return restore(batch, tile)

    monkeypatch.setattr(model, 'restore', limited)
    return shapes


def test_too_little_memory_leads_to_smaller_batches_and_then_to_tiles(inferencer, monkeypatch):
    images = [smooth_image(24, 32, seed) for seed in range(8)]
    with monkeypatch.context() as patch:
        shapes = fails_above(patch, inferencer.model, 2 * 24 * 32)
        results = inferencer(images, batch_size=4).predictions
    # The second batch has the size that was found for the first one.
    assert [shape[0] for shape in shapes] == [4, 2, 2, 2, 2]
    assert np.array_equal(results[7], to_bgr_uint8(to_rgb_tensor(images[7]) * 0.75 + 0.0625))
    large = smooth_image(600, 300)
    shapes = fails_above(monkeypatch, inferencer.model, 256 * 256)
    (result,) = inferencer(large).predictions
    assert shapes[:3] == [(1, 600, 300, None), (1, 600, 300, 512), (1, 600, 300, 256)]
    assert np.array_equal(result, to_bgr_uint8(to_rgb_tensor(large) * 0.75 + 0.0625))


def test_no_other_tiles_are_used_if_the_model_sets_them(monkeypatch):
    inferencer = DerainInferencer(CONFIG, tile=0)
    shapes = fails_above(monkeypatch, inferencer.model, 100)
    with pytest.raises(InputError, match='input 0: the memory of the device is too small; set a smaller batch_size'):
        inferencer(smooth_image(600, 300))
    assert shapes == [(1, 600, 300, None)]


def test_the_progress_shows_the_number_of_inputs(inferencer, capsys):
    inferencer([smooth_image(8, 9)] * 3, progress=True)
    assert '3/3' in capsys.readouterr().err


def test_results_contain_size_and_seconds(inferencer, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), smooth_image(8, 9))
    (tmp_path / 'b.png').touch()
    first, second = inferencer(tmp_path, out_dir=tmp_path / 'out').results
    assert first.size == (8, 9) and first.seconds > 0 and second.size is None


def test_written_results_are_complete_when_the_caller_stops(inferencer, tmp_path):
    for seed in range(20):
        cv2.imwrite(str(tmp_path / f'{seed:02}.png'), smooth_image(8, 9, seed))
    stream = inferencer.stream([tmp_path], out_dir=tmp_path / 'out', batch_size=2)
    assert next(stream).name == str(tmp_path / '00.png')
    stream.close()
    written = sorted((tmp_path / 'out').iterdir())
    assert 2 <= len(written) < 20 and not [path for path in written if path.name.startswith('.')]
    for path in written:
        expected = to_bgr_uint8(to_rgb_tensor(smooth_image(8, 9, int(path.stem))) * 0.75 + 0.0625)
        assert np.array_equal(decode_image(path).bgr, expected)


def test_after_a_stop_only_derained_inputs_have_results(inferencer):
    stop, taken = threading.Event(), []
    stream = inferencer.stream(numbers((smooth_image(8, 9) for _ in itertools.count()), taken), stop=stop)
    first = next(stream)
    stop.set()
    rest = list(stream)
    assert first.status == 'ok' and 0 <= len(rest) < 10
    assert all(result.prediction is not None for result in rest)


def test_a_problem_that_is_known_in_advance_is_the_error_of_the_input(inferencer):
    sources = [Source('a', smooth_image(8, 9)), Source('b', smooth_image(8, 9), problem=InputError('b: no'))]
    results = list(Pipeline(inferencer.model, batch_size=2).run(sources))
    assert [(result.name, result.status, result.reason) for result in results] == [
        ('a', 'ok', ''),
        ('b', 'failed', 'b: no'),
    ]


def test_one_input_that_is_not_in_a_list_is_one_input(inferencer, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), smooth_image(8, 9))
    for item in (str(tmp_path), tmp_path, tmp_path / 'a.png', smooth_image(8, 9), torch.rand(3, 8, 9)):
        assert len(list(inferencer.stream(item))) == 1
    bad = list(inferencer.stream(iter([3, smooth_image(8, 9)])))
    assert (
        bad[0].reason == 'input 0: found int; expected a path, an array, a Pillow image or a tensor'
        and bad[1].status == 'ok'
    )
    with pytest.raises(InputError, match='workers must be an integer of at least 1, found 0'):
        inferencer(smooth_image(8, 9), workers=0)
