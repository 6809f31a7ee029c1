"""Read and write videos.

With the package PyAV (``pip install mmderain[video]``), which contains FFmpeg, all formats of FFmpeg are read, and
videos are written as H.264, HEVC, AV1 or VP9. Without PyAV, OpenCV reads fewer formats, and writes MPEG-4 Part 2 in MP4
files. Some browsers do not play these files.

All modules except ``options``, ``opencv`` and ``overlap`` import PyAV.
"""

from .options import CODECS, CONTAINERS, VideoOptions, require_container
from .simple import has_pyav, read_frames, write_frames

#: Suffixes of the files that are treated as videos. FFmpeg reads more files, but their suffixes are not here if they
#: usually name other files, such as .ogg (sound), .dat, .ps and .mod.
VIDEO_SUFFIXES = (
    *('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.ts', '.mts', '.m2ts', '.wmv', '.asf'),
    *('.flv', '.3gp', '.3g2', '.ogv', '.vob', '.mxf', '.m2v', '.h264', '.264', '.h265', '.hevc'),
    *('.y4m', '.f4v', '.dv', '.divx', '.xvid', '.mjpg', '.mjpeg', '.mj2', '.mk3d', '.nut', '.ogm', '.qt', '.mp4v'),
    *('.mpe', '.m1v', '.m2p', '.m2t', '.mpv', '.tod', '.trp', '.evo', '.wtv', '.dvr-ms', '.gxf', '.rm', '.rmvb'),
    *('.3gpp', '.ismv', '.lrv', '.insv', '.dav', '.amv', '.ivf', '.obu', '.265', '.avc', '.h266', '.266', '.vvc'),
    *('.h261', '.h263', '.vc1'),
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
