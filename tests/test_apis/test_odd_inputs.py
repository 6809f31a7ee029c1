"""Arrays, tensors and other objects that are no usual images are derained, or give one clear error."""

import io

import numpy as np
import pytest
import torch
from image_files import RGB8, RGB16, saved
from mmengine.registry import TRANSFORMS
from PIL import Image

from mmderain.apis import DerainInferencer, load_exported
from mmderain.errors import InputError
from mmderain.io import DecodedImage, decode_image, image_from_pillow, write_image
from mmderain.models import NetworkSpec
from mmderain.rain import draw_rain
from mmderain.registry import MODELS


@MODELS.register_module()
class SameObject(torch.nn.Module):
    """Network without weights that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


CONFIG = dict(model=dict(type='mmderain.Derainer', network=dict(type='SameObject')))
BGR, TENSOR = np.ascontiguousarray(RGB8[..., ::-1]), torch.from_numpy(RGB8.transpose(2, 0, 1) / 255.0).float()


@pytest.fixture(scope='module')
def inferencer():
    return DerainInferencer(CONFIG)


@pytest.fixture(scope='module')
def transform():
    return TRANSFORMS.build(dict(type='mmderain.Derain', derainer=dict(config=CONFIG)))


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


#: Arrays of uint8 or uint16 with an unusual layout in the memory.
ARRAYS = {
    'negative strides': BGR[::-1, :, ::-1],
    'every second row': np.repeat(BGR, 2, 0)[::2],
    'Fortran order': np.asfortranarray(BGR),
    'read-only': read_only(BGR),
    'record array': BGR.view(np.recarray),
    'big-endian': RGB16.astype('>u2'),
    'little-endian': RGB16.astype('<u2'),
    'one pixel': BGR[:1, :1],
}


@pytest.mark.parametrize('name', ARRAYS)
def test_arrays_of_any_layout(tmp_path, inferencer, transform, name):
    array = ARRAYS[name]
    native = array.astype(array.dtype.newbyteorder('='))
    (found,) = inferencer(array).predictions
    assert found.dtype == native.dtype and np.array_equal(found, array)
    write_image(array, tmp_path / 'a.png')
    assert np.array_equal(decode_image(tmp_path / 'a.png').bgr, array)
    assert np.array_equal(DecodedImage.from_array(array).bgr, array)
    stacked = inferencer(np.stack([array, array])).predictions
    assert len(stacked) == 2 and np.array_equal(stacked[1], array)
    if native.dtype == np.uint8:
        assert np.array_equal(transform(dict(img=array))['img'], array)
        assert draw_rain(np.asarray(array), 'light').rainy.shape == array.shape


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    'change',
    [
        lambda x: x,
        lambda x: x.flip(2),
        lambda x: x.transpose(1, 2),
        lambda x: x[:1].expand(3, -1, -1),
        lambda x: x[None].contiguous(memory_format=torch.channels_last),
        lambda x: x.clone().requires_grad_(),
        lambda x: torch.nn.Parameter(x),
    ],
)
def test_tensors_of_any_layout(inferencer, dtype, change):
    tensor = change(TENSOR.to(dtype))
    (found,) = inferencer(tensor).predictions
    assert found.dtype == dtype and not found.requires_grad and torch.equal(found, tensor.detach())


OBJECTS = {
    'bytes': saved(RGB8, 'PNG'),
    'bytearray': bytearray(4),
    'BytesIO': io.BytesIO(saved(RGB8, 'PNG')),
    'dict': {'a.png': BGR},
    'NoneType': None,
    'int': 3,
    'float': 0.5,
}


@pytest.mark.parametrize('name', OBJECTS)
def test_other_objects_are_refused(inferencer, name):
    message = f'^inputs: found {name}; expected a path, an array, a Pillow image, a tensor, or a list of them'
    for call in (inferencer, inferencer.stream):
        with pytest.raises(InputError, match=message):
            call(OBJECTS[name])
    with pytest.raises(InputError, match=f'^input 1: found {name}; expected a path, an array'):
        inferencer([BGR, OBJECTS[name]])


@pytest.mark.parametrize(
    'given, message',
    [
        (BGR > 99, 'found bool of shape'),
        (BGR / 255, 'found float64 of shape'),
        (BGR.astype(int), 'found int64 of shape'),
        (BGR.transpose(2, 0, 1), r'found uint8 of shape \(3, 40, 48\)'),
        (BGR[..., :2], r'found uint8 of shape \(40, 48, 2\)'),
        (BGR[:0], r'shape \(0, 48, 3\) has no pixels'),
        (np.array([None]), 'found object of shape'),
        (TENSOR * 255, 'found values from 0 to 255; expected RGB in'),
        ((TENSOR * 255).byte(), 'found torch.uint8; expected one of float32'),
        (TENSOR.permute(1, 2, 0), r'found torch.float32 of shape \(40, 48, 3\)'),
        (TENSOR[None][:0], r'found torch.float32 of shape \(0, 3, 40, 48\)'),
        (TENSOR * torch.nan, 'found values from nan to nan'),
        (TENSOR.to_sparse(), 'found layout torch.sparse_coo; expected a dense tensor'),
        (Image.new('RGB', (0, 5)), 'has 0x5 pixels; expected at least one pixel'),
        (Image.new('CMYK', (4, 4)), 'its color mode is CMYK'),
    ],
)
def test_other_values_are_refused(inferencer, given, message):
    with pytest.raises(InputError, match=f'^input 0: {message}'):
        inferencer(given)
    found = inferencer([BGR, given]).failures
    assert list(found) == ['input 1']


def test_empty_collections_have_no_result(inferencer):
    for inputs in ([], (), iter([]), np.zeros((0, 4, 5, 3), np.uint8)):
        assert inferencer(inputs).results == []
    with pytest.raises(InputError, match='the image: has 0x0 pixels'):
        image_from_pillow(Image.new('L', (0, 0)))


@pytest.mark.fault(11, 'apis.load_exported')
@pytest.mark.parametrize('suffix', ['.pt2', '.onnx', '.xyz'])
def test_files_that_are_no_exported_model_are_refused(tmp_path, suffix):
    pytest.importorskip('onnxruntime', reason='needs the extra [export]')
    pytest.importorskip('onnxscript', reason='needs the extra [export]')
    path = tmp_path / f'a{suffix}'
    with pytest.raises(FileNotFoundError, match=f'^{path}: no such file; expected an exported model'):
        load_exported(path)
    path.write_bytes(b'text' * 99)
    with pytest.raises(InputError, match=f'^{path}: cannot be loaded as an exported model .*; export it again$'):
        load_exported(path)


#: Values that are no image of whole numbers from 0 to 255, for the transforms.
WRONG = {
    'bool of shape': BGR > 99,
    'float32 of shape': (BGR / 255).astype(np.float32),
    'float64 of shape': np.full((4, 4, 3), np.nan),
    'uint16 of shape': RGB16,
    r'uint8 of shape \(0': BGR[:0],
    r'uint8 of shape \(40, 48\)': BGR[..., 0],
    'a list': BGR.tolist(),
    'a NoneType': None,
    'a Tensor': torch.from_numpy(BGR),
    'an? Image': Image.fromarray(RGB8),
}


@pytest.mark.parametrize('found', WRONG)
def test_transforms_refuse_other_values(transform, found):
    with pytest.raises(InputError, match=f'^mmderain.Derain: x/a.png: found {found}'):
        transform(dict(img=WRONG[found], img_path='x/a.png'))
    rain = TRANSFORMS.build(dict(type='mmderain.SynthesizeRain', preset='light', seed=0))
    message = 'expected a BGR uint8 image|the values are not finite, or from 0 to 1; expected values from 0 to'
    with pytest.raises(InputError, match=message):
        rain(dict(img=WRONG[found], img_path='x/a.png', ori_shape=(40, 48)))


def test_transforms_accept_whole_numbers_of_other_types(transform):
    rain = TRANSFORMS.build(dict(type='mmderain.SynthesizeRain', preset='light', seed=0))
    expected = rain(dict(img=BGR, img_path='x/a.png', ori_shape=(40, 48)))['img']
    for dtype in (np.float32, np.float64, np.int16):
        found = transform(dict(img=BGR.astype(dtype)))['img']
        assert found.dtype == dtype and np.array_equal(found, BGR)
        if dtype != np.int16:
            rainy = rain(dict(img=BGR.astype(dtype), img_path='x/a.png', ori_shape=(40, 48)))['img']
            assert rainy.dtype == dtype and np.array_equal(rainy, expected)
