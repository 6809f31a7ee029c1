"""Find out whether the end of an MPEG or WMV file is missing.

These files contain no number of frames. MPEG transport streams (``.ts``, ``.m2ts``) consist of packets of a fixed size.
Each packet of an MPEG program stream (``.mpg``, ``.vob``) contains its length. An incomplete last packet therefore
shows that the file is incomplete. A file that ends between two packets is not recognized as incomplete. The header of
WMV and ASF files contains the duration.
"""

import re
import struct
from fractions import Fraction
from pathlib import Path

#: Sizes of the packets of transport streams, and the position of the byte 0x47 in each packet. Packets of 192 bytes
#: begin with a time, packets of 204 bytes end with a checksum.
_TS_PACKETS = ((188, 0), (192, 4), (204, 0))
#: The start codes of program streams that are used here: end, pack, system header, and packets.
_PS_CODES = re.compile(rb'\x00\x00\x01([\xb9-\xef])')
_PS_END, _PS_PACK, _PS_SYSTEM = 0xB9, 0xBA, 0xBB
#: Identifier of the object "File Properties" in the header of ASF files.
_ASF_PROPERTIES = bytes.fromhex('a1dcab8c47a9cf118ee400c00c205365')


def has_incomplete_packet(path: Path, container: str) -> bool:
    """Return whether an MPEG transport stream or program stream ends in the middle of a packet.

    Args:
        path: the file.
        container: name of the file format in FFmpeg. False is returned for other formats.
    """
    if container not in ('mpegts', 'mpeg'):
        return False
    size = path.stat().st_size
    with open(path, 'rb') as file:
        if container == 'mpegts':
            return _is_cut_transport_stream(file.read(1024), size)
        start = max(0, size - 2**18)  # a packet has at most 65542 bytes
        file.seek(start)
        return _is_cut_program_stream(file.read())


def _is_cut_transport_stream(head: bytes, size: int) -> bool:
    for packet, sync in _TS_PACKETS:
        if len(head) > 4 * packet and all(head[sync + number * packet] == 0x47 for number in range(4)):
            return size % packet != 0
    return False


def _is_cut_program_stream(tail: bytes) -> bool:
    found = max(_PS_CODES.finditer(tail), key=re.Match.end, default=None)
    if found is None or found[1][0] == _PS_END:
        return False
    length = tail[found.end() : found.end() + 2]
    if found[1][0] in (_PS_PACK, _PS_SYSTEM) or len(length) < 2:
        return True  # packets must follow
    return found.end() + 2 + int.from_bytes(length, 'big') > len(tail)


def asf_seconds(path: Path) -> Fraction | None:
    """Return the duration in the header of a WMV or ASF file in seconds; None if the header contains no duration.

    FFmpeg ignores this duration if the file is shorter than its header says.
    """
    with open(path, 'rb') as file:
        head = file.read(2**16)
    start = head.find(_ASF_PROPERTIES)
    if start < 0 or len(head) < start + 92:
        return None
    # After the identifier, 24 bytes for the size of the object and the identifier of the file, and 24 bytes for the
    # size of the file, its date and the number of its packets: the duration and the time for sending it in units of
    # 100 nanoseconds, the time before the first frame in milliseconds, and flags.
    duration, _, before, flags = struct.unpack_from('<QQQI', head, start + 64)
    if flags & 1 or not duration:  # the file was sent while it was recorded
        return None
    return max(Fraction(0), Fraction(duration, 10**7) - Fraction(before, 1000))
