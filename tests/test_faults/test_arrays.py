"""Arrays and paths of all forms have the right result, or one clear error, in every function that takes them."""

import array
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TRANSFORMS
from PIL import Image

from mmderain.apis import DerainInferencer
from mmderain.errors import InputError
from mmderain.io import DecodedImage, decode_image_bytes, encode_image, image_from_pillow, write_image
from mmderain.rain import draw_rain, synthesize_rain
from mmderain.registry import MODELS

from .places import CONFIG, IMAGE


def rainy(image):
    step = TRANSFORMS.build(dict(type='mmderain.SynthesizeRain', preset='light', seed=0))
    return step(dict(img=image, img_path='x/a.png', ori_shape=(24, 40)))['img']


def restored(image):
    batch = torch.as_tensor(image, dtype=torch.float64).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        return (MODELS.build(CONFIG['model']).restore(batch)[0].permute(1, 2, 0) * 255).round().numpy()


def prepared(image):
    derainer, wrapped = dict(config=CONFIG, checkpoint='net.pth'), dict(type='BaseDataPreprocessor')
    made = ROOT_MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=derainer, wrapped=wrapped))
    batch = torch.as_tensor(image).permute(2, 0, 1)[None]
    return made(dict(inputs=batch))['inputs'][0].permute(1, 2, 0).detach().numpy()


def derained(image):
    derainer = dict(config=CONFIG, checkpoint='net.pth')
    return TRANSFORMS.build(dict(type='mmderain.Derain', derainer=derainer))(dict(img=image))['img']


def written(image):
    write_image(image, 'b.png')
    return decode_image_bytes(Path('b.png').read_bytes(), 'b.png').bgr


#: Maps a function to a call with a BGR uint8 image, and to whether it returns the image unchanged.
ARRAY_CALLS = {
    'apis.DerainInferencer': (lambda image: DerainInferencer(CONFIG, 'net.pth')(image).predictions[0], True),
    'io.DecodedImage': (lambda image: DecodedImage.from_array(image).bgr, True),
    'io.encode_image': (lambda image: decode_image_bytes(encode_image(image, '.png'), 'b').bgr, True),
    'io.image_from_pillow': (lambda image: image_from_pillow(Image.fromarray(image[..., ::-1])).bgr, True),
    'io.write_image': (written, True),
    'models.Derainer': (restored, True),
    'perception.Derain': (derained, True),
    'perception.DerainBeforeTask': (prepared, True),
    'rain.draw_rain': (lambda image: draw_rain(image, 'light').rainy, False),
    'rain.synthesize_rain': (lambda image: synthesize_rain(image, 'light'), False),
    'datasets.transforms.SynthesizeRain': (rainy, False),
}
LAYOUTS = {
    'Fortran order': np.asfortranarray,
    'negative strides': lambda image: image[::-1, ::-1].copy()[::-1, ::-1],
    'every second column': lambda image: np.repeat(image, 2, 1)[:, ::2],
    'read-only': lambda image: np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape),
    'memory of another object': lambda image: np.asarray(memoryview(image)),
    'subclass': lambda image: image.view(np.recarray),
}


@pytest.mark.filterwarnings('ignore:The given NumPy array is not writable')
@pytest.mark.parametrize('name', [pytest.param(name, marks=pytest.mark.fault(11, name)) for name in ARRAY_CALLS])
def test_arrays_of_any_layout_give_the_same_result_and_are_not_changed(place, name):
    call, is_same = ARRAY_CALLS[name]
    expected = IMAGE if is_same else call(IMAGE.copy())
    assert is_same or not np.array_equal(expected, IMAGE)
    for layout, change in LAYOUTS.items():
        if layout == 'negative strides' and name in ('models.Derainer', 'perception.DerainBeforeTask'):
            continue  # torch itself refuses them in torch.as_tensor, which the caller uses
        given = change(IMAGE)
        assert np.array_equal(call(given), expected), layout
        assert np.array_equal(given, IMAGE), layout


REFUSING = {name: call for name, (call, _) in ARRAY_CALLS.items() if name not in ('io.image_from_pillow',)}
WRONG = {
    'bool': IMAGE > 99,
    'float': IMAGE / 255,
    'NaN': np.full((4, 4, 3), np.nan),
    'five channels': np.dstack([IMAGE, IMAGE[..., :2]]),
    'empty': IMAGE[:0],
    'complex': IMAGE.astype(np.complex64),
}


@pytest.mark.parametrize('name', [pytest.param(name, marks=pytest.mark.fault(11, name)) for name in REFUSING])
def test_other_arrays_are_refused(place, name):
    for kind, value in WRONG.items():
        if name in ('models.Derainer', 'perception.DerainBeforeTask') and kind in ('bool', 'float', 'complex'):
            continue  # the tensors that the tests make of them are images
        with pytest.raises((InputError, TypeError, ValueError)) as caught:
            REFUSING[name](value)
        assert str(caught.value), kind


class Named:
    """An object with a path, such as those of pytest and of importlib.resources."""

    def __fspath__(self):
        return 'a.png'


ACCEPTED = {
    'str': lambda: 'a.png',
    'path-like': Named,
    'entry of a folder': lambda: next(entry for entry in os.scandir() if entry.name == 'a.png'),
    'list of path-likes': lambda: [Named(), 'a.png'],
    'iterator of arrays of images': lambda: (np.stack([IMAGE, IMAGE]) for _ in range(2)),
    'set': lambda: {'a.png'},
    'numpy text': lambda: np.str_('a.png'),
}
REFUSED = {
    'memoryview': lambda: memoryview(IMAGE),
    'array': lambda: array.array('B', [1]),
    'bytes': lambda: b'a.png',
    'dict': lambda: {'a.png': 1},
    'file': lambda: open('a.png', 'rb'),
    'nested list': lambda: [['a.png']],
    'list of a memoryview': lambda: [memoryview(IMAGE)],
}


@pytest.mark.fault(11, 'apis.DerainInferencer')
@pytest.mark.parametrize('form', ACCEPTED)
def test_inputs_of_many_forms_are_accepted(place, form):
    found = DerainInferencer(CONFIG, 'net.pth')(ACCEPTED[form]()).predictions
    assert found and all(np.array_equal(image, IMAGE) for image in found)
    assert len(found) == {'list of path-likes': 2, 'iterator of arrays of images': 4}.get(form, 1)


@pytest.mark.fault(11, 'apis.DerainInferencer')
@pytest.mark.parametrize('form', REFUSED)
@pytest.mark.filterwarnings('ignore:unclosed file')
def test_other_inputs_are_refused(place, form):
    with pytest.raises(InputError, match='^(inputs|input 0): found (memoryview|array|bytes|dict|BufferedReader|list);'):
        DerainInferencer(CONFIG, 'net.pth')(REFUSED[form]())
