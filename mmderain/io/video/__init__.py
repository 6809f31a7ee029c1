"""Read and write videos.

With the package PyAV (``pip install mmderain[video]``), which contains FFmpeg, all formats of FFmpeg are read, and
videos are written as H.264, HEVC, AV1 or VP9. Without PyAV, OpenCV reads fewer formats, and writes MPEG-4 Part 2 in MP4
files. Some browsers do not play these files.

All modules except ``options``, ``opencv`` and ``overlap`` import PyAV.
"""

from .options import CODECS, CONTAINERS, VideoOptions, require_container
from .simple import has_pyav, read_frames, write_frames

#: Suffixes of the files that are treated as videos when a folder is searched.
VIDEO_SUFFIXES = (
    *('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.ts', '.mts', '.m2ts', '.wmv', '.asf'),
    *('.flv', '.3gp', '.3g2', '.ogv', '.vob', '.mxf', '.m2v', '.h264', '.264', '.h265', '.hevc'),
)

__all__ = [
    'CODECS',
    'CONTAINERS',
    'VIDEO_SUFFIXES',
    'VideoOptions',
    'has_pyav',
    'read_frames',
    'require_container',
    'write_frames',
]
