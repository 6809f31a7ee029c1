"""Derainer.restore names the images of a batch whose results are not finite, with the reason."""

import pytest
import torch
from test_not_finite import REASON

from mmderain.errors import NonFiniteError
from mmderain.models import Derainer
from mmderain.models.finite import finite_images


@pytest.mark.parametrize('value', ['nan', 'inf', '-inf'])
@pytest.mark.parametrize('clamp', [True, False])
@pytest.mark.parametrize('tile', [0, 16])
def test_restore_names_the_images_of_the_batch(value, clamp, tile):
    model = Derainer(dict(type='Overflows', value=value)).eval()
    batch = torch.rand(4, 3, 40, 24) / 2
    assert model.restore(batch, tile, clamp).isfinite().all()
    batch[1], batch[3, :, :16] = 1, 1  # the first tile of image 3 is white
    with pytest.raises(NonFiniteError) as error:
        model.restore(batch, tile, clamp)
    images = (1, 3) if tile else (1,)
    assert error.value.images == images and error.value.reason == REASON
    names = ', '.join(f'image {number} of the batch (the first is 0)' for number in images)
    assert str(error.value) == f'{names}: {REASON}'


def test_the_error_says_if_a_weight_or_the_image_is_not_finite():
    model = Derainer(dict(type='Overflows')).eval()
    image = torch.rand(1, 3, 8, 8) / 2
    image[0, 0, 0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match='^the result of') as error:
        model.restore(image)
    text = 'the result of Overflows contains NaN or infinite values. The reason: the {} contains such values. {}.'
    assert str(error.value) == text.format('rainy image', 'Check the step that makes this image')
    model.network.weight.data.fill_(torch.inf)
    with pytest.raises(NonFiniteError, match='^the result of') as error:
        model.restore(image)
    assert str(error.value) == text.format('weight weight of the network', 'Use another checkpoint')


def test_finite_images_accepts_the_largest_values_of_each_type():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        batch = torch.full((3, 3, 4, 4), torch.finfo(dtype).max, dtype=dtype)
        batch[1, 2, 3, 3] = torch.nan
        batch[2, 0, 0, 1] = -torch.inf
        assert finite_images(batch).tolist() == [True, False, False]
