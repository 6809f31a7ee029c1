"""Small videos for the tests, made by PyAV, and a derainer that does not change them."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from conftest import smooth_image

from mmderain.models import Derainer, NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class SameFrames(torch.nn.Module):
    """Network without weights that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


def unchanged_derainer() -> Derainer:
    """Return a derainer that returns its input."""
    return Derainer(dict(type='SameFrames')).eval()


@dataclass
class Recipe:
    """What a test video contains. The default is eight frames of H.264 with 64x48 pixels and 25 frames a second."""

    codec: str = 'libx264'
    pix_fmt: str = 'yuv420p'
    size: tuple[int, int] = (64, 48)
    frames: int = 8
    rate: Fraction | int = 25
    times: list[int] | None = None
    time_base: Fraction | None = None
    rotation: int = 0
    mirrored: bool = False
    full_range: bool = False
    matrix: int | None = None
    audio: str | None = None
    subtitle: str | None = None
    metadata: dict = field(default_factory=dict)
    chapters: list = field(default_factory=list)
    options: dict = field(default_factory=dict)
    ratio: Fraction | None = None


def images(recipe: Recipe) -> list[np.ndarray]:
    """Return the frames of a recipe as RGB images. A bright square moves through them."""
    width, height = recipe.size
    found = []
    for number in range(recipe.frames):
        image = smooth_image(height, width, 0)
        image[5 : height // 3, 2 * number % width : 2 * number % width + width // 4] = (240, 200, 30)
        found.append(image)
    return found


def make_video(path: Path, recipe: Recipe | None = None, **changes) -> Path:
    """Write a video for a test, and return its path."""
    recipe = recipe or Recipe(**changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(recipe.codec, rate=recipe.rate, options=recipe.options)
        context = stream.codec_context
        context.width, context.height = recipe.size
        context.pix_fmt = recipe.pix_fmt
        context.time_base = stream.time_base = recipe.time_base or 1 / Fraction(recipe.rate)
        if recipe.full_range:
            context.color_range = 2
        if recipe.matrix is not None:
            context.colorspace = recipe.matrix
        if recipe.ratio:
            context.sample_aspect_ratio = recipe.ratio
        if recipe.rotation or recipe.mirrored:
            stream.set_display_rotation(recipe.rotation, hflip=recipe.mirrored)
        container.metadata.update(recipe.metadata)
        if recipe.chapters:
            container.set_chapters(recipe.chapters)
        sound = _add_sound(container, recipe) if recipe.audio else None
        text = _add_text(container, recipe) if recipe.subtitle else None
        for number, image in enumerate(images(recipe)):
            depth = max(component.bits for component in av.VideoFormat(recipe.pix_fmt).components)
            array, name = (image, 'rgb24') if depth <= 8 else (image.astype(np.uint16) * 257, 'rgb48le')
            frame = av.VideoFrame.from_ndarray(array, format=name)
            frame = frame.reformat(
                format=recipe.pix_fmt,
                src_color_range=2,
                dst_color_range=2 if recipe.full_range or recipe.pix_fmt.startswith('yuvj') else 1,
                src_colorspace=recipe.matrix,
                dst_colorspace=recipe.matrix,
            )
            frame.pts = recipe.times[number] if recipe.times else number
            frame.time_base = context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for encoded in sound or ():
            container.mux(encoded)
        for packet in text or ():
            container.mux(packet)
    return path


def _add_sound(container, recipe: Recipe):
    rate = 48000
    stream = container.add_stream(recipe.audio, rate=rate)
    stream.codec_context.layout = 'mono'
    samples = int(rate * recipe.frames / Fraction(recipe.rate))

    def packets():
        tone = (9000 * np.sin(0.06 * np.arange(samples))).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, format='s16', layout='mono')
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        yield from stream.encode(frame)
        yield from stream.encode(None)

    return packets()


def _add_text(container, recipe: Recipe):
    stream = container.add_mux_stream(recipe.subtitle)
    stream.time_base = Fraction(1, 1000)

    def packets():
        packet = av.Packet(b'\x00\x05hello' if recipe.subtitle == 'mov_text' else b'hello')
        packet.pts = packet.dts = 40
        packet.duration, packet.time_base, packet.stream = 200, Fraction(1, 1000), stream
        packet.is_keyframe = True
        yield packet

    return packets()


def packets_of(path: Path, kind: str = 'video') -> list[tuple[Fraction, bytes]]:
    """Return the time in seconds and the content of each packet of the first stream of a kind, in order of time."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        found = [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.size and p.pts is not None]
    return sorted(found)


def times_of(path: Path) -> list[Fraction]:
    """Return the presentation times of the frames of a video in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0) if frame.pts is not None]


def decoded(path: Path, name: str = 'rgb24') -> list[np.ndarray]:
    """Return the frames of a video as RGB arrays, as they are stored in the file."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=name) for frame in container.decode(video=0)]


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    """Return the stored values of a frame without a conversion, one array for each plane."""
    dtype = np.uint8 if max(component.bits for component in frame.format.components) == 8 else np.uint16
    arrays = [np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width] for plane in frame.planes]
    return [array.astype(int) for array in arrays]


def change(first: Path, second: Path) -> float:
    """Return the largest mean difference of the stored values between frames at the same position.

    If the pixel formats differ, gray images are compared.
    """
    with av.open(str(first)) as one, av.open(str(second)) as two:
        pairs = list(zip(one.decode(video=0), two.decode(video=0), strict=True))
        if pairs[0][0].format.name.replace('yuvj', 'yuv') != pairs[0][1].format.name.replace('yuvj', 'yuv'):
            pairs = [[frame.reformat(format='gray') for frame in pair] for pair in pairs]
        return max(
            np.abs(a - b).mean() for pair in pairs for a, b in zip(planes_of(pair[0]), planes_of(pair[1]), strict=True)
        )
