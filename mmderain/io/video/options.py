"""Options of deraining and writing videos, and the codecs that can be chosen."""

from dataclasses import dataclass, field
from pathlib import Path

from mmderain.errors import InputError, did_you_mean, require_whole_number


@dataclass(frozen=True)
class VideoCodec:
    """A video codec, and the settings of its encoder.

    Attributes:
        encoder: name of the encoder in FFmpeg.
        crf: default quality. A smaller number means better quality and a larger file.
        max_crf: largest number that the encoder accepts as quality.
        keeps_odd_sizes: whether the encoder accepts an odd width or height with 4:2:0 subsampling.
        settings: further settings of the encoder.
        parameters: name of the setting that contains further parameters of the encoder. Empty if there is none.
        tag: four letters that name the codec in MP4 and MOV files. Empty uses the default of FFmpeg.
    """

    encoder: str
    crf: int
    max_crf: int
    keeps_odd_sizes: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    parameters: str = ''
    tag: str = ''


#: Codecs by name. The names are the values of ``--codec``.
CODECS = {
    'h264': VideoCodec('libx264', 20, 51, parameters='x264-params'),
    # Players of Apple require the tag hvc1.
    'hevc': VideoCodec(
        'libx265', 22, 51, settings={'x265-params': 'log-level=error'}, parameters='x265-params', tag='hvc1'
    ),
    'av1': VideoCodec('libsvtav1', 30, 63, keeps_odd_sizes=True, settings={'preset': '8'}, parameters='svtav1-params'),
    'vp9': VideoCodec('libvpx-vp9', 30, 63, keeps_odd_sizes=True, settings={'b': '0', 'row-mt': '1', 'cpu-used': '4'}),
}
#: Suffixes of the video files that can be written, and the codecs that players expect in them.
CONTAINERS = {
    '.mp4': tuple(CODECS),
    '.m4v': tuple(CODECS),
    '.mov': ('h264', 'hevc'),
    '.mkv': tuple(CODECS),
    '.webm': ('vp9', 'av1'),
}

#: Formats of FFmpeg by suffix. FFmpeg writes other kinds of MP4 files for the suffix .m4v.
FORMATS = {'.mp4': 'mp4', '.m4v': 'mp4', '.mov': 'mov', '.mkv': 'matroska', '.webm': 'webm'}


#: Methods that use earlier frames, see :mod:`mmderain.apis.temporal`. The first one is the default.
TEMPORAL_METHODS = ('flow', 'fixed')


@dataclass(frozen=True)
class VideoOptions:
    """Options of :func:`mmderain.apis.derain_video`.

    Attributes:
        codec: video codec, one of :data:`CODECS`.
        crf: quality of the video. 0 is the best quality. None uses the default of the codec.
        pix_fmt: pixel format by its name in FFmpeg, for example ``'yuv444p'``. None uses 4:2:0 subsampling with the
            bit depth of the source.
        bit_depth: 8 or 10 bits per value. None keeps the bit depth of the source, but uses 10 bits for 12 bits.
        odd: what to do with an odd width or height that the codec cannot store. ``'repeat'`` repeats the last row or
            column. ``'crop'`` removes it.
        audio: ``'copy'`` copies the packets of the sound unchanged. ``'transcode'`` encodes sound that the file format
            cannot hold: as AAC, or as Opus in WebM files. ``'none'`` leaves out the sound.
        container: file format of a result whose name the caller does not choose: ``'mp4'``, ``'mkv'``, ``'mov'`` or
            ``'webm'``.
        temporal: number of earlier frames that are used to derain a frame, see :mod:`mmderain.apis.temporal`. 0 derains
            each frame on its own, which is faster.
        temporal_method: ``'fixed'`` for a camera that does not move, or ``'flow'``. None uses ``'flow'``.
        segment_seconds: length of a segment in seconds. Finished segments are kept if the program is stopped.
        rate: frames per second of a video that is made of numbered images, from 0.01 to 1000.
        shard: number of this process and number of processes that derain segments of the same video. The numbers start
            at 0.
        measure_flicker: whether to measure the flicker of the video.
    """

    codec: str = 'h264'
    crf: int | None = None
    pix_fmt: str | None = None
    bit_depth: int | None = None
    odd: str = 'repeat'
    audio: str = 'copy'
    container: str = 'mp4'
    temporal: int = 2
    temporal_method: str | None = None
    segment_seconds: float = 10.0
    rate: float = 25.0
    shard: tuple[int, int] = (0, 1)
    measure_flicker: bool = False

    def __post_init__(self) -> None:
        for name, known in (
            ('codec', tuple(CODECS)),
            ('odd', ('repeat', 'crop')),
            ('audio', ('copy', 'transcode', 'none')),
            ('container', tuple(suffix[1:] for suffix in CONTAINERS)),
            ('temporal_method', (None, *TEMPORAL_METHODS)),
        ):
            value = getattr(self, name)
            if value not in known:
                expected = ', '.join(str(word) for word in known)
                raise InputError(
                    f'{name}: found {value!r}; expected {expected}{did_you_mean(str(value), map(str, known))}'
                )
        if self.bit_depth not in (None, 8, 10):
            raise InputError(f'bit_depth: found {self.bit_depth!r}; expected 8 or 10')
        limit = CODECS[self.codec].max_crf
        if self.crf is not None and not 0 <= self.crf <= limit:
            raise InputError(f'crf: found {self.crf}; expected a number from 0 to {limit} for {self.codec}')
        require_whole_number('temporal', self.temporal, 0)
        if not self.segment_seconds > 0:
            raise InputError(f'segment_seconds: found {self.segment_seconds}; expected a number above 0')
        if not 0.01 <= self.rate <= 1000:
            raise InputError(f'rate: found {self.rate}; expected 0.01 to 1000 frames per second')
        index, count = self.shard
        if count < 1:
            raise InputError(f'shard: found {index} of {count}; expected at least one process')
        if not 0 <= index < count:
            raise InputError(f'shard: found {index} of {count}; expected a number from 0 to {count - 1}')


def require_container(path: str | Path, codec: str = 'h264') -> Path:
    """Return the path of a video to write, after checking that its suffix can hold the codec.

    Raises:
        InputError: the suffix is not one of :data:`CONTAINERS`, or the file format cannot hold the codec.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if '\0' in str(path):
        raise InputError(f'{path}: cannot be written (the path contains a null byte)')
    if suffix not in CONTAINERS:
        raise InputError(f'{path}: expected a name that ends in {", ".join(CONTAINERS)}')
    if codec not in CONTAINERS[suffix]:
        known = ' or '.join(CONTAINERS[suffix])
        raise InputError(
            f'{path}: {suffix} files cannot hold {codec}; use --codec {known}, or --container mp4 (in Python, a target '
            'that ends in .mp4)'
        )
    return path


def ffmpeg_path(path: str | Path) -> str:
    """Return the text by which FFmpeg finds a local file.

    Without the prefix, FFmpeg would read the start of a name such as ``a:b.mp4`` as the name of a protocol.
    """
    return f'file:{path}'


def require_file(path: str | Path) -> None:
    """Check that a video exists.

    Raises:
        FileNotFoundError: the path is not that of a file.
    """
    path = Path(path)
    if path.is_file():
        return
    problem = 'is a link to a missing file' if path.is_symlink() else 'no such video'
    if path.exists():
        problem = f'is {"a folder" if path.is_dir() else "a pipe or a device"}; expected a video'
    raise FileNotFoundError(f'{path}: {problem}')
