"""Read the tags of a TIFF file that decide how its pixels are decoded.

Pillow and OpenCV each decode only some kinds of TIFF files correctly. Both give wrong pixels for other kinds, without
an error. Therefore :func:`tiff_problem` refuses the kinds that neither of them decodes correctly.
"""

import re
import struct
from collections.abc import Set
from dataclasses import dataclass
from typing import BinaryIO

#: Numbers of the tags that this module reads.
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION = 254, 256, 257, 258, 262, 274
_SAMPLES, _PLANAR, _EXTRA, _SAMPLE_FORMAT, _XMP = 277, 284, 338, 339, 700
#: Tags of the first page that are read.
_FIRST_PAGE = {
    *(_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION),
    *(_SAMPLES, _PLANAR, _EXTRA, _SAMPLE_FORMAT, _XMP),
}
#: Maps the type of a value to its letter in :mod:`struct`: byte, text, short, long, undefined, 64-bit integer.
_TYPES = {1: 'B', 2: 'B', 3: 'H', 4: 'I', 7: 'B', 16: 'Q'}
#: Values of the photometric interpretation.
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
_COLOR_MODES = {4: 'a mask', 5: 'CMYK', 8: 'LAB', 9: 'LAB', 10: 'LAB', 32803: 'raw sensor data', 34892: 'raw data'}
_COLOR_MODES |= {32844: 'LogL (floating-point)', 32845: 'LogLuv (floating-point)'}
#: Meanings of a channel after gray or RGB.
UNSPECIFIED, PREMULTIPLIED, ALPHA = 0, 1, 2


@dataclass(frozen=True)
class TiffTags:
    """Tags of the first page of a TIFF file.

    Attributes:
        width: width of the stored image in pixels.
        height: height of the stored image in pixels.
        bits: number of bits of each channel.
        photometric: photometric interpretation, for example :data:`WHITE_IS_ZERO`.
        is_planar: True if each channel is stored separately.
        extra: meaning of the channel after gray or RGB. None if the file does not say it.
        sample_formats: format of each channel; 1 means unsigned integers.
        orientation: orientation from 1 to 8, as in EXIF.
        pages: number of pages, without thumbnails.
        fields: maps the number of a tag to the offset of its value in the file, and to its format in :mod:`struct`.
    """

    width: int
    height: int
    bits: tuple[int, ...]
    photometric: int
    is_planar: bool
    extra: int | None
    sample_formats: tuple[int, ...]
    orientation: int
    pages: int
    fields: dict[int, tuple[int, str]]

    @property
    def extra_channels(self) -> int:
        """Return the number of channels after gray, the palette index or RGB."""
        return len(self.bits) - (3 if self.photometric in (RGB, YCBCR) else 1)


def read_tiff_tags(file: BinaryIO) -> TiffTags:
    """Read the tags of a TIFF or BigTIFF file.

    Raises:
        ValueError, KeyError, struct.error: the file is damaged.
    """
    file.seek(0)
    start = file.read(16)
    order = '<' if start[:2] == b'II' else '>'
    is_big = start[2:4] in (b'+\0', b'\0+')  # BigTIFF
    offset = struct.unpack_from(f'{order}Q' if is_big else f'{order}I', start, 8 if is_big else 4)[0]
    # Only the first page is decoded. Of the other pages, only the tag that marks thumbnails is read.
    values, fields, following = _read_directory(file, offset, order, is_big, _FIRST_PAGE)
    seen, pages = {offset}, 1
    while following and following not in seen and len(seen) < 10_000:
        seen.add(following)
        page, _, following = _read_directory(file, following, order, is_big, {_SUBFILE})
        pages += not _first(page, _SUBFILE, 0) & 1
    samples = _first(values, _SAMPLES, 1)
    # These two checks also limit the memory that the numbers of a damaged file can take.
    if not 1 <= samples <= 65535:
        raise ValueError(f'it says that it has {samples} channels')
    bits = values.get(_BITS) or (1,)
    if max(bits) > 64:
        raise ValueError(f'it says that it has {max(bits)} bits in a channel')
    return TiffTags(
        width=values[_WIDTH][0],
        height=values[_HEIGHT][0],
        bits=bits if len(bits) == samples else bits[:1] * samples,
        photometric=values[_PHOTOMETRIC][0],
        is_planar=_first(values, _PLANAR, 1) == 2 and samples > 1,
        extra=_first(values, _EXTRA, None),
        sample_formats=values.get(_SAMPLE_FORMAT, (1,)),
        orientation=_orientation(values),
        pages=pages,
        fields=fields,
    )


def _read_directory(file: BinaryIO, offset: int, order: str, is_big: bool, wanted: Set[int]) -> tuple[dict, dict, int]:
    """Read the ``wanted`` tags of a directory.

    Returns:
        The values of the tags, the offsets and formats of these values, and the offset of the next directory. The last
        offset is 0 if there is no next directory.
    """
    number_format, entry_format, room = ('Q', 'HHQ', 8) if is_big else ('H', 'HHI', 4)
    size = struct.calcsize(order + entry_format) + room
    file.seek(offset)
    (number,) = struct.unpack(order + number_format, file.read(struct.calcsize(order + number_format)))
    if number > 10_000:
        raise ValueError('its directory of tags is damaged')
    entries = file.read(number * size)
    (following,) = struct.unpack(order + ('Q' if is_big else 'I'), file.read(room))
    values, fields = {}, {}
    for index in range(number):
        tag, kind, count = struct.unpack_from(order + entry_format, entries, index * size)
        if tag not in wanted or kind not in _TYPES or count > 1_000_000:
            continue
        value_format = f'{order}{count}{_TYPES[kind]}'
        field = index * size + size - room
        at = offset + struct.calcsize(order + number_format) + field
        if (length := struct.calcsize(value_format)) > room:
            (at,) = struct.unpack_from(order + ('Q' if is_big else 'I'), entries, field)
        file.seek(at)
        values[tag], fields[tag] = struct.unpack(value_format, file.read(length)), (at, order + _TYPES[kind])
    return values, fields, following


def _first(values: dict, tag: int, default: int | None) -> int:
    return values[tag][0] if values.get(tag) else default  # type: ignore[return-value]


def _orientation(values: dict) -> int:
    """Return the orientation of a page. Without a tag, the XMP data can contain it, as in Pillow."""
    if _ORIENTATION not in values and _XMP in values:
        found = re.search(rb'tiff:Orientation(="|>)([1-8])', bytes(values[_XMP]))
        return int(found[2]) if found else 1
    return _first(values, _ORIENTATION, 1)


def tiff_problem(tags: TiffTags) -> str | None:
    """Return the reason why the pixels of a TIFF file cannot be decoded correctly, or None."""
    bits = max(tags.bits)
    if tags.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR):
        mode = _COLOR_MODES.get(tags.photometric, f'number {tags.photometric}')
        return f'its color mode is {mode}; expected RGB or gray'
    if set(tags.sample_formats) - {1, 4}:  # 4: undefined, which means unsigned
        kind = 'floating-point' if 3 in tags.sample_formats else 'signed'
        return f'has {kind} values; expected unsigned values'
    if not 0 <= tags.extra_channels <= 1:
        return f'has {len(tags.bits)} channels; expected gray or RGB, with or without alpha'
    if len(set(tags.bits)) > 1 or bits not in (1, 2, 4, 8, 16):
        return f'has {"+".join(map(str, tags.bits))} bits for each pixel; expected channels of 8 or 16 bits'
    if bits == 16 and tags.is_planar:
        return 'is a planar TIFF with 16 bits; expected the channels of each pixel side by side'
    if bits == 16 and tags.photometric in (PALETTE, YCBCR):
        return 'is a TIFF with 16 bits and a palette or YCbCr colors; expected RGB or gray'
    if tags.extra_channels and tags.photometric != RGB:
        if bits != 8 or tags.photometric != BLACK_IS_ZERO or tags.extra != ALPHA or tags.is_planar:
            return 'is a TIFF with gray and a second channel of a kind that cannot be read; expected 8 bits and alpha'
    return None


def needs_opencv(tags: TiffTags) -> bool:
    """Return whether only OpenCV decodes the pixels correctly.

    Pillow reduces 16-bit colors to 8 bits, does not invert min-is-white images with 16 bits, and removes a fourth
    channel that is not marked as alpha. Pillow decodes more compressions than OpenCV.
    """
    if max(tags.bits) == 16:
        return tags.photometric != BLACK_IS_ZERO
    return bool(tags.extra_channels and tags.extra in (UNSPECIFIED, PREMULTIPLIED))


def without_rendering(content: bytes, tags: TiffTags) -> bytes:
    """Return a TIFF file whose tags say that the image is upright and that 0 means black.

    Some versions of OpenCV apply the orientation to the pixels, others do not. With this file, all versions return the
    stored pixels.
    """
    changed = bytearray(content)
    values = {_ORIENTATION: 1}
    if max(tags.bits) == 16 and tags.photometric == WHITE_IS_ZERO:
        values[_PHOTOMETRIC] = BLACK_IS_ZERO
    for tag, value in values.items():
        if tag in tags.fields:
            at, value_format = tags.fields[tag]
            struct.pack_into(value_format, changed, at, value)
    return bytes(changed)
