"""Keep the metadata of HDR videos: the display on which a video was graded, and its brightest light.

PyAV cannot add such metadata to the frames that it encodes. The encoders of HEVC and AV1 accept it as options.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction

import av
from av.sidedata.sidedata import Type

#: Metadata that changes during a video, and cannot be kept.
_CHANGING = {
    Type.DYNAMIC_HDR_PLUS: 'HDR10+',
    Type.DYNAMIC_HDR_VIVID: 'HDR Vivid',
    Type.DOVI_METADATA: 'Dolby Vision',
    Type.DOVI_RPU_BUFFER: 'Dolby Vision',
}


@dataclass(frozen=True)
class HdrMetadata:
    """Metadata of an HDR video. The default is that of other videos.

    Attributes:
        display: properties of the display on which the video was graded: x and y of red, green, blue and white, and the
            lowest and the highest luminance in candela per square meter. Empty if it is unknown.
        light: the largest luminance of a pixel, and the largest mean luminance of a frame. Empty if it is unknown.
        changing: names of the kinds of metadata that differ from frame to frame.
    """

    display: tuple[Fraction, ...] = ()
    light: tuple[int, ...] = ()
    changing: tuple[str, ...] = ()


def read_hdr(frame: av.VideoFrame) -> HdrMetadata:
    """Return the metadata of a decoded frame."""
    display: tuple[Fraction, ...] = ()
    light: tuple[int, ...] = ()
    changing = set()
    for data in frame.side_data:
        if data.type == Type.MASTERING_DISPLAY_METADATA:
            # Ten fractions in the order of `HdrMetadata.display`, and whether the colors and the luminances are known.
            *numbers, has_colors, has_luminances = struct.unpack_from('=22i', bytes(data))
            if has_colors and has_luminances and all(numbers[1::2]):
                display = tuple(Fraction(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True))
        elif data.type == Type.CONTENT_LIGHT_LEVEL:
            light = struct.unpack_from('=2I', bytes(data))
        elif data.type in _CHANGING:
            changing.add(_CHANGING[data.type])
    return HdrMetadata(display, light, tuple(sorted(changing)))


def hdr_options(hdr: HdrMetadata, codec: str) -> list[str] | None:
    """Return the parameters of the encoder that write the metadata; None if the encoder has none.

    Args:
        hdr: the metadata.
        codec: name of the codec, see :data:`~mmderain.io.video.CODECS`.
    """
    if codec not in ('hevc', 'av1'):
        return None
    is_hevc, found = codec == 'hevc', []
    if hdr.display:
        # x265 counts colors in units of 0.00002, and luminances in units of 0.0001.
        values = [round(value * (50000 if number < 8 else 10000)) for number, value in enumerate(hdr.display)]
        texts = [str(value) for value in values] if is_hevc else [f'{float(value):.6g}' for value in hdr.display]
        red, green, blue, white = (','.join(texts[number : number + 2]) for number in (0, 2, 4, 6))
        name = 'master-display' if is_hevc else 'mastering-display'
        found.append(f'{name}=G({green})B({blue})R({red})WP({white})L({texts[9]},{texts[8]})')
    if hdr.light:
        found.append(f'{"max-cll" if is_hevc else "content-light"}={hdr.light[0]},{hdr.light[1]}')
    return found
