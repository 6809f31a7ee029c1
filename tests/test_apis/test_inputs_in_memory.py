"""Inputs of the inferencer that are not files: arrays, Pillow images, and iterators over them."""

import numpy as np
import pytest
import torch
from conftest import smooth_image
from PIL import Image

from mmderain.apis import DerainInferencer
from mmderain.errors import InputError
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS

IMAGE = smooth_image(24, 32)


@MODELS.register_module()
class HalveValues(torch.nn.Module):
    """Network without weights that halves all values."""

    spec = NetworkSpec(halo=0)

    def forward(self, x):
        return [x * 0.5]


@pytest.fixture(scope='module')
def inferencer():
    return DerainInferencer(
        dict(model=dict(type='Derainer', network=dict(type='HalveValues')), default_scope='mmderain')
    )


@pytest.fixture(scope='module')
def expected(inferencer):
    result = inferencer(IMAGE).predictions[0]
    assert np.abs(result.astype(float) - IMAGE / 2).max() <= 0.5
    return result


def test_a_pillow_image_gives_the_same_result_as_an_array(inferencer, expected):
    image = Image.fromarray(IMAGE[..., ::-1])
    assert np.array_equal(inferencer(image).predictions[0], expected)
    gray = inferencer(image.convert('L')).predictions[0]
    assert gray.shape == (24, 32)
    with pytest.raises(InputError, match='input 0: its color mode is CMYK; expected RGB or gray'):
        inferencer(image.convert('CMYK'))


def test_an_array_of_several_images_counts_as_several_inputs(inferencer, expected):
    results = inferencer(np.stack([IMAGE, IMAGE[::-1]]))
    assert [result.name for result in results.results] == ['input 0', 'input 1']
    assert np.array_equal(results.predictions[0], expected)
    assert np.array_equal(results.predictions[1], expected[::-1])
    assert len(inferencer([np.stack([IMAGE] * 3), IMAGE]).predictions) == 4


def test_an_iterator_is_accepted(inferencer, expected):
    results = inferencer(image for image in (IMAGE, Image.fromarray(IMAGE[..., ::-1])))
    assert [np.array_equal(prediction, expected) for prediction in results.predictions] == [True, True]


def test_a_result_keeps_its_type_beside_inputs_of_other_types(inferencer, expected):
    deep = IMAGE.astype(np.uint16) * 257
    results = inferencer([IMAGE, deep, IMAGE], batch_size=3).predictions
    assert [result.dtype for result in results] == [np.uint8, np.uint16, np.uint8]
    assert np.array_equal(results[2], expected)


@pytest.mark.parametrize('inputs', ['', ['a.png', '']])
def test_an_empty_path_is_refused(inferencer, inputs):
    with pytest.raises(InputError, match='the path is empty; use . for the current folder'):
        inferencer(inputs)
