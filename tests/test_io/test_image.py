"""Image files of all supported types are read. The results have the channels and the bit depth of the input."""

import cv2
import numpy as np
import pytest
import torch
from conftest import smooth_image
from PIL import Image

from mmderain.errors import InputError
from mmderain.io.image import DecodedImage, decode_image, image_size, read_image, write_image

IMG = smooth_image(20, 31)  # BGR uint8


def same(read: DecodedImage) -> np.ndarray:
    """Return the result of a derainer that changes nothing."""
    return read.with_color(read.to_tensor())


@pytest.mark.parametrize(
    'array',
    [
        IMG,
        IMG[..., 0],
        IMG.astype(np.uint16) * 257 + 3,
        IMG[..., 1].astype(np.uint16) * 200,
        np.dstack([IMG, IMG[..., 2]]),
        np.dstack([IMG, IMG[..., 2]]).astype(np.uint16) * 256,
    ],
    ids=['bgr', 'grey', 'bgr16', 'grey16', 'bgra', 'bgra16'],
)
@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
def test_channels_bit_depth_and_values_are_preserved(tmp_path, array, suffix):
    path = tmp_path / f'a{suffix}'
    write_image(array, path)
    out = same(decode_image(path))
    assert out.dtype == array.dtype and np.array_equal(out, array)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no temporary file remains


def test_tensor_is_rgb_with_full_bit_depth():
    array = np.zeros((2, 2, 3), np.uint16)
    array[..., 0] = 65535  # blue
    array[0, 0, 2] = 1
    tensor = DecodedImage.from_array(array).to_tensor()
    assert tensor.dtype == torch.float32 and tensor.shape == (3, 2, 2)
    assert torch.equal(tensor[2], torch.ones(2, 2)) and tensor[0, 0, 0].item() == pytest.approx(1 / 65535)


def test_gray_images_stay_gray_with_bt601_weights():
    read = DecodedImage.from_array(IMG[..., 0])
    colours = torch.stack([torch.full((20, 31), value) for value in (1.0, 0.5, 0.0)])
    out = read.with_color(colours)
    assert out.shape == (20, 31) and (out == round(0.299 * 255 + 0.587 * 128)).all()


def test_alpha_is_kept_unchanged():
    array = np.dstack([IMG, IMG[..., 2]])
    out = DecodedImage.from_array(array).with_color(torch.zeros(3, 20, 31))
    assert (out[..., :3] == 0).all() and np.array_equal(out[..., 3], array[..., 3])


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / 'turned.png'
    Image.fromarray(np.ascontiguousarray(IMG[..., ::-1])).save(path, exif=exif)
    with Image.open(path) as img:
        from PIL import ImageOps

        expected = np.asarray(ImageOps.exif_transpose(img))[..., ::-1]
    assert np.array_equal(same(decode_image(path)), expected)


def test_palette_and_one_bit_images_are_read(tmp_path):
    img = Image.fromarray(np.ascontiguousarray(IMG[..., ::-1])).quantize(16)
    img.save(tmp_path / 'palette.png')
    assert np.array_equal(same(decode_image(tmp_path / 'palette.png')), np.asarray(img.convert('RGB'))[..., ::-1])
    Image.fromarray(IMG[..., 0] > 128).save(tmp_path / 'bit.png')
    assert np.array_equal(same(decode_image(tmp_path / 'bit.png')), np.where(IMG[..., 0] > 128, 255, 0))


@pytest.mark.parametrize(
    'name, make, message',
    [
        ('cmyk.jpg', lambda p: Image.new('CMYK', (8, 8)).save(p), 'color mode is CMYK'),
        (
            'moving.gif',
            lambda p: Image.new('L', (8, 8)).save(p, save_all=True, append_images=[Image.new('L', (8, 8), 9)]),
            'has 2 frames',
        ),
        ('empty.png', lambda p: p.touch(), 'cannot be read as an image'),
        ('text.png', lambda p: p.write_text('hello'), 'cannot be read as an image'),
        (
            'cut.jpg',
            lambda p: p.write_bytes(cv2.imencode('.png', IMG)[1].tobytes()[:60]),
            'cannot be read as an image',
        ),
        ('float.tiff', lambda p: cv2.imwrite(str(p), IMG.astype(np.float32)), 'color mode is LogLuv'),
    ],
)
def test_unsupported_files_give_a_clear_error(tmp_path, name, make, message):
    make(tmp_path / name)
    with pytest.raises(InputError, match=f'{name}.*({message})'):
        decode_image(tmp_path / name)


def test_missing_file_gives_an_error():
    with pytest.raises(FileNotFoundError, match='nowhere.png: no such image'):
        decode_image('nowhere.png')


@pytest.mark.parametrize(
    'array',
    [
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4)),
        np.zeros((0, 4, 3), np.uint8),
        np.asmatrix(np.zeros((4, 4), np.uint8)),
        np.ma.masked_array(np.zeros((4, 4, 3), np.uint8)),
    ],
)
def test_arrays_that_are_not_images_are_refused(array):
    with pytest.raises(InputError, match='input 3: '):
        DecodedImage.from_array(array, 'input 3')


def test_a_failed_write_keeps_the_existing_file(tmp_path, monkeypatch):
    path = tmp_path / 'a.png'
    write_image(IMG, path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError('No space left on device')

    monkeypatch.setattr('os.replace', fail)
    with pytest.raises(InputError, match='a.png: cannot be written .No space left'):
        write_image(IMG // 2, path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ['a.png']


def test_sixteen_bits_are_rounded_to_eight():
    deep = DecodedImage(np.array([[[0, 257, 65535]]], np.uint16))
    assert deep.to_uint8().tolist() == [[[0, 1, 255]]] and deep.to_uint8().dtype == np.uint8


def test_first_image_of_a_multi_image_jpeg_is_read(tmp_path):
    """Cameras write JPEG files with several images (MPO)."""
    image = Image.fromarray(np.ascontiguousarray(IMG[..., ::-1]))
    image.save(tmp_path / 'a.jpg', format='MPO', save_all=True, append_images=[image.resize((8, 8))], quality=95)
    with Image.open(tmp_path / 'a.jpg') as opened:
        assert opened.format == 'MPO' and opened.n_frames == 2
    assert read_image(tmp_path / 'a.jpg').shape == IMG.shape and image_size(tmp_path / 'a.jpg', True) == IMG.shape[:2]


def test_image_size_refuses_what_cannot_be_read(tmp_path):
    Image.new('CMYK', (8, 6)).save(tmp_path / 'cmyk.jpg')
    with pytest.raises(InputError, match='cmyk.jpg: its color mode is CMYK'):
        image_size(tmp_path / 'cmyk.jpg')
    for suffix in ('.png', '.webp', '.jpg'):
        path = tmp_path / f'cut{suffix}'
        write_image(IMG, path)
        path.write_bytes(path.read_bytes()[:-60])
        with pytest.raises(
            InputError, match=f'cut{suffix}: (cannot be read as an image|the end of the file is missing)'
        ):
            image_size(path, decode=True)
    assert image_size(tmp_path / 'cut.jpg') == IMG.shape[:2]  # the header is complete


@pytest.mark.parametrize('array', [IMG, IMG.astype(np.uint16) * 257], ids=['8-bit', '16-bit'])
@pytest.mark.parametrize('suffix', ['.png', '.tiff', '.bmp', '.jpg', '.webp', '.ppm', '.jp2'])
def test_the_limit_of_pixels_holds_for_every_format(tmp_path, suffix, array):
    if suffix in ('.bmp', '.jpg', '.webp') and array.dtype == np.uint16:
        pytest.skip('the format has 8 bits only')
    path = tmp_path / f'a{suffix}'
    cv2.imwrite(str(path), np.tile(array, (4, 4, 1)))
    assert decode_image(path, max_pixels=80 * 124).bgr.shape == (80, 124, 3)
    for read in (decode_image, read_image, image_size):
        with pytest.raises(InputError, match=f'a{suffix}: has 124x80 pixels, more than the limit of 9919'):
            read(path, max_pixels=80 * 124 - 1)


def test_large_images_are_refused_before_they_are_decoded(tmp_path):
    """The file is small, but the decoded image would take 3 GB."""
    Image.new('1', (40_000, 25_000)).save(tmp_path / 'bomb.png')
    with pytest.raises(InputError, match='bomb.png: has 40000x25000 pixels, more than the limit of 500000000'):
        decode_image(tmp_path / 'bomb.png')
    # The default limit of Pillow, 179 million pixels, does not apply.
    Image.new('1', (20_000, 10_000)).save(tmp_path / 'large.png')
    assert image_size(tmp_path / 'large.png') == (10_000, 20_000)


def test_formats_of_unknown_size_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.hdr'), IMG.astype(np.float32))
    (tmp_path / 'a.hdr').rename(tmp_path / 'a.png')
    with pytest.raises(InputError, match='a.png: cannot be read as an image .it is damaged or of an unknown format'):
        decode_image(tmp_path / 'a.png')


@pytest.mark.parametrize('part', [0.3, 0.6, 0.99])
@pytest.mark.parametrize('progressive', [0, 1])
def test_a_jpeg_without_its_end_is_refused(tmp_path, part, progressive):
    """OpenCV would fill the missing part with gray. The header contains an end marker too, as with a thumbnail."""
    exif = Image.Exif()
    exif[0x010E] = '\xff\xd9 an end in the description'
    image = Image.fromarray(smooth_image(200, 300))
    image.save(tmp_path / 'a.jpg', exif=exif, progressive=bool(progressive), quality=95)
    content = (tmp_path / 'a.jpg').read_bytes()
    assert read_image(tmp_path / 'a.jpg').shape == (200, 300, 3)
    (tmp_path / 'trailer.jpg').write_bytes(content + b'\xff\xda a video behind the image')
    assert np.array_equal(read_image(tmp_path / 'trailer.jpg'), read_image(tmp_path / 'a.jpg'))
    (tmp_path / 'cut.jpg').write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match='cut.jpg: the end of the file is missing'):
        read_image(tmp_path / 'cut.jpg')


def test_error_for_an_image_that_is_too_wide_for_opencv_gives_the_limit(tmp_path):
    Image.new('1', (2**20 + 1, 1)).save(tmp_path / 'wide.png')
    with pytest.raises(InputError, match='has 1048577x1 pixels; OpenCV reads at most 1048576 pixels on each side'):
        decode_image(tmp_path / 'wide.png')
