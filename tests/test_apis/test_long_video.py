"""A long video that is killed several times."""

import subprocess
import sys
import textwrap
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from conftest import smooth_image
from video_files import packets_of, times_of

from mmderain.io.video import VideoOptions
from mmderain.models import Derainer, NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class OneConvolution(torch.nn.Module):
    """Network with one convolution of 3x3 pixels."""

    spec = NetworkSpec(halo=1)

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return [x + 0.05 * self.conv(x)]


def tiny_derainer() -> Derainer:
    """Return a derainer whose weights are the same in each process, so that its segments can be continued."""
    torch.manual_seed(0)
    return Derainer(dict(type='OneConvolution')).eval()


def write_source(path: Path, seconds: int, size: tuple[int, int]) -> None:
    """Write a video with 30 frames a second, a key frame every two seconds, and a tone."""
    height, width = size
    scene = smooth_image(height, width)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=30, options={'preset': 'ultrafast', 'g': '60'})
        stream.codec_context.width, stream.codec_context.height = width, height
        sound = container.add_stream('aac', rate=48000)
        sound.codec_context.layout = 'stereo'
        for number in range(30 * seconds):
            frame = av.VideoFrame.from_ndarray(np.roll(scene, 4 * number, 1), format='rgb24')
            container.mux(stream.encode(frame))
            tone = (9000 * np.sin(0.06 * (1600 * number + np.arange(1600)))).astype(np.int16)
            samples = av.AudioFrame.from_ndarray(tone.repeat(2)[None], format='s16', layout='stereo')
            samples.sample_rate, samples.pts, samples.time_base = 48000, 1600 * number, Fraction(1, 48000)
            container.mux(sound.encode(samples))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))


@pytest.mark.soak
def test_a_minute_of_full_hd_survives_five_kills(tmp_path):
    """The program is killed each time it has finished another segment. The sixth call completes the video."""
    source, target = tmp_path / 'a.mp4', tmp_path / 'o.mp4'
    write_source(source, 60, (1080, 1920))
    program = f"""
        import sys
        sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}
        from test_long_video import VideoOptions, tiny_derainer
        from mmderain.apis import derain_video
        options = {VideoOptions(temporal=0)!r}
        print(derain_video(tiny_derainer(), {str(source)!r}, {str(target)!r}, options=options))
    """
    command = [sys.executable, '-c', textwrap.dedent(program)]
    began = time.perf_counter()
    for number in range(5):
        process = subprocess.Popen(command)
        while len(list(tmp_path.rglob('*.json'))) <= number:
            assert process.poll() is None and not target.exists()
            time.sleep(0.1)
        process.kill()
        process.wait()
        print(f'killed after {time.perf_counter() - began:.0f} s with {len(list(tmp_path.rglob("*.json")))} segments')
        assert not target.exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f'completed after {time.perf_counter() - began:.0f} s: {done.stdout.strip()}')
    assert 'frames=1800' in done.stdout
    assert times_of(target) == times_of(source) == [Fraction(number, 30) for number in range(1800)]
    sound = packets_of(source, 'audio')
    assert packets_of(target, 'audio') == sound and len(sound) > 2800
    print(f'{len(sound)} packets of sound are bit-identical, and 1800 frames have the times of the source')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.mp4', 'o.mp4']
