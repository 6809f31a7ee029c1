"""Damaged image files give one error that names the file, in every reader. Other exceptions do not leak."""

import io
import struct
import tracemalloc
import warnings

import numpy as np
import pytest
from image_cases import CASES, SUFFIXES
from image_files import RGB8, png, saved, tiff
from PIL import Image

from mmderain.errors import InputError, UnreadableImageError
from mmderain.io.image import decode_image, decode_image_bytes, image_from_pillow, image_size, read_image
from mmderain.io.image_formats import image_format

GOOD = [case for case in CASES if case.pixels is not None]


def outcome(content: bytes) -> str:
    """Decode a damaged file, and return 'read' or 'refused'. Any other exception fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow warns about damaged metadata
        try:
            decode_image_bytes(content, 'a.img', max_pixels=4_000_000)
        except InputError as error:
            assert str(error).startswith('a.img: ') and '\n' not in str(error)
            return 'refused'
    return 'read'


@pytest.mark.parametrize('case', GOOD, ids=str)
def test_changed_bytes_give_an_image_or_the_error(case):
    content, rng = case.make(), np.random.default_rng(0)
    for number in range(25):
        changed = bytearray(content)
        # Half of the changes are in the header, where they are most harmful.
        limit = min(len(changed), 120) if number % 2 else len(changed)
        for position in rng.integers(limit, size=3):
            changed[position] = rng.integers(256)
        outcome(bytes(changed))


@pytest.mark.parametrize('case', GOOD, ids=str)
def test_cut_files_are_refused(case):
    content = case.make()
    for length in (0, 1, 15, 16, 40, len(content) // 3, len(content) // 2):
        assert outcome(content[:length]) == 'refused', length


def with_tag(number, kind, count, value):
    """Return a TIFF file in which one tag has another type, count and value."""
    content = bytearray(tiff(RGB8))
    for at in range(10, 10 + 12 * content[8], 12):
        if content[at] + 256 * content[at + 1] == number:
            content[at : at + 12] = struct.pack('<HHII', number, kind, count, value)
    return bytes(content)


def mpo(table: bytes) -> bytes:
    """Return a JPEG file with a damaged table of further images."""
    jpeg = saved(RGB8, 'JPEG')
    segment = b'MPF\0' + table
    return jpeg[:2] + b'\xff\xe2' + struct.pack('>H', len(segment) + 2) + segment + jpeg[2:]


READ = {  # damaged, but not the pixels
    'mpo without table': mpo(b''),
    'mpo with half a table': mpo(b'II*\0\x08\0\0\0\x03\0\0\xb0\x07'),
    'mpo with a wrong count': mpo(b'II*\0\x08\0\0\0\x01\0\x01\xb0\x04\0\x01\0\0\0\xff\xff\0\0\0\0\0\0'),
    'mpo with text as count': mpo(b'II*\0\x08\0\0\0\x01\0\x01\xb0\x02\0\x04\0\0\0abc\0\0\0\0\0'),
}
REFUSED = {
    'tiff with text as width': with_tag(256, 2, 4, 0),
    'tiff without width': with_tag(256, 5, 1, 10**9),
    'tiff with width 0': with_tag(256, 4, 1, 0),
    'tiff with height 0': with_tag(257, 4, 1, 0),
    'tiff with a huge count': with_tag(258, 3, 2**31, 8),
    'tiff with 4294967295 channels': with_tag(277, 4, 1, 2**32 - 1),
    'tiff without channels': with_tag(277, 3, 1, 0),
    'tiff without bits': with_tag(258, 3, 0, 0),
    'tiff with 4294967295 bits': with_tag(258, 4, 1, 2**32 - 1),
    'tiff with offsets outside': with_tag(273, 4, 1, 2**31),
    'tiff with unknown compression': with_tag(259, 3, 1, 40_000),
    'tiff whose directory is far away': b'II*\0\xff\xff\xff\x7f' + bytes(40),
    'tiff whose directory is empty': b'II*\0\x08\0\0\0\0\0' + bytes(40),
    'bmp with a wrong header size': b'BM' + struct.pack('<IHHII', 100, 0, 0, 54, 13) + bytes(60),
    'bmp with negative width': b'BM' + struct.pack('<IHHIIiiHHI', 100, 0, 0, 54, 40, -5, 5, 1, 24, 0) + bytes(80),
    'bmp with a wrong depth': b'BM' + struct.pack('<IHHIIiiHHI', 100, 0, 0, 54, 40, 5, 5, 1, 77, 0) + bytes(80),
    'png with a short header': b'\x89PNG\r\n\x1a\n\0\0\0\x04IHDR' + bytes(40),
    'png with width 0': png(RGB8[:, :0], 2),
    'png without pixels': png(RGB8, 2)[:33],
    'gif without pixels': b'GIF89a\x05\0\x05\0\0\0\0;' + bytes(20),
    'ppm with text': b'P6 five 5 255\n' + bytes(75),
    'jp2 without code stream': saved(RGB8, 'JPEG2000')[:60] + bytes(200),
    'webp with a wrong size': b'RIFF\xff\xff\xff\xffWEBPVP8 ' + bytes(40),
    'avif with nothing': b'\0\0\0\x1cftypavif' + bytes(60),
    'heic': b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(60),
    'random bytes': np.random.default_rng(0).bytes(500),
    'text': b'This is not an image, but a text of some length.',
}


@pytest.mark.parametrize('name', READ)
def test_damaged_metadata_do_not_matter(name):
    assert outcome(READ[name]) == 'read'


@pytest.mark.parametrize('name', REFUSED)
def test_every_reader_refuses_the_file_and_names_it(tmp_path, name):
    path = tmp_path / 'my file.png'
    path.write_bytes(REFUSED[name])
    for read in (decode_image, read_image, lambda p: image_size(p, decode=True)):
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(caught.value).startswith(f'{path}: ') and '\n' not in str(caught.value)


def test_a_folder_with_the_name_of_an_image_is_named(tmp_path):
    (tmp_path / 'scene.jpg').mkdir()
    for read in (decode_image, read_image, image_size):
        with pytest.raises(UnreadableImageError, match=r'scene.jpg: is a folder; expected an image file'):
            read(tmp_path / 'scene.jpg')


def test_images_above_the_limit_of_pillow_are_read():
    """Pillow warns above 89 and refuses above 179 million pixels. Neither a warning nor an error may occur."""
    content = b'P4 13400 13400\n' + bytes(1675 * 13400)
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert decode_image_bytes(content, 'a').bgr.shape == (13_400, 13_400, 3)
    assert Image.MAX_IMAGE_PIXELS == before
    with pytest.raises(InputError, match='a: has 13400x13400 pixels, more than the limit of 1000'):
        decode_image_bytes(content, 'a', max_pixels=1000)


def test_suffixes_do_not_decide_the_format(tmp_path):
    for suffix in set(SUFFIXES.values()):
        (tmp_path / f'a{suffix}').write_bytes(png(RGB8, 2))
        assert np.array_equal(read_image(tmp_path / f'a{suffix}')[..., ::-1], RGB8)


def test_the_message_describes_the_file_and_not_the_code():
    message = 'a.tif: cannot be read as an image (it is damaged). Replace or remove the file.'
    for content, reason in (
        ('tiff with 4294967295 channels', 'it says that it has 4294967295 channels'),
        ('tiff without channels', 'it says that it has 0 channels'),
        ('tiff with 4294967295 bits', 'it says that it has 4294967295 bits in a channel'),
    ):
        with pytest.raises(UnreadableImageError) as caught:
            decode_image_bytes(REFUSED[content], 'a.tif')
        assert str(caught.value) == message.replace('it is damaged', reason)
    for content in (REFUSED['tiff whose directory is empty'], REFUSED['tiff whose directory is far away']):
        with pytest.raises(UnreadableImageError) as caught:
            decode_image_bytes(content, 'a.tif')
        assert str(caught.value) == message


def test_too_little_memory_is_not_called_damage(monkeypatch):
    """The error for a damaged file asks the user to remove the file."""

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr('mmderain.io.decoding.DecodedImage.from_array', fail)
    with pytest.raises(MemoryError):
        decode_image_bytes(png(RGB8, 2), 'a.png')
    monkeypatch.setattr('mmderain.io.decoding._decode_with_opencv', fail)
    with pytest.raises(MemoryError):
        decode_image_bytes(png(RGB8, 2), 'a.png')


def test_a_png_chunk_that_is_longer_than_the_file_is_refused_before_memory_is_allocated():
    resource = pytest.importorskip('resource', reason='Windows has no module resource')
    content = bytearray(png(RGB8, 2))
    at = content.index(b'IDAT')
    content[at - 4 : at] = struct.pack('>I', 2**31 - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableImageError, match='a: cannot be read as an image .the end of the file is missing'):
        decode_image_bytes(bytes(content), 'a')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB


def test_numbers_in_a_small_tiff_file_do_not_decide_how_much_memory_is_allocated():
    """One file says that it has 4 billion channels, the others have 300 tags with 300,000 values on 30 pages."""
    page = struct.pack('<H', 300) + b''.join(struct.pack('<HHII', 300 + tag, 3, 300_000, 8) for tag in range(300))
    pages = b''.join(page + struct.pack('<I', 8 + (number + 1) * (len(page) + 4)) for number in range(30))
    contents = [REFUSED[f'tiff with 4294967295 {name}'] for name in ('channels', 'bits')]
    tracemalloc.start()
    for content in (*contents, b'II*\0\x08\0\0\0' + pages + bytes(600_000)):
        assert outcome(content) == 'refused'
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'TIFF'])
def test_a_damaged_pillow_image_is_an_input_error(kind):
    content = saved(RGB8, kind)
    image = Image.open(io.BytesIO(content[:-100]))
    with pytest.raises(UnreadableImageError, match='^input 2: cannot be read as an image [(].*[)]. Replace or remove'):
        image_from_pillow(image, 'input 2')


@pytest.mark.parametrize('content', [b'P5 1 1 255\nX', b'P4 1 1\n\0', b'P5 2 1 255 XX'])
def test_the_smallest_ppm_files_are_read(content):
    gray = decode_image_bytes(content, 'a.pgm').bgr[..., 0].tolist()
    assert gray == {b'P5 1 1 255\nX': [[88]], b'P4 1 1\n\0': [[255]], b'P5 2 1 255 XX': [[88, 88]]}[content]


@pytest.mark.parametrize('size', [0, 8, 15])
def test_a_wrong_size_of_the_first_box_does_not_read_the_whole_file(size):
    class File(io.BytesIO):
        def read(self, number=-1):
            assert number >= 0
            return super().read(number)

    with pytest.raises(ValueError, match='unknown format'):
        image_format(File(struct.pack('>I', size) + b'ftypqt  \0\0\0\0' + bytes(100)))
