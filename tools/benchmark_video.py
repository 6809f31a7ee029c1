"""Measure the time that a video spends outside the network.

    python tools/benchmark_video.py --size 1080x1920
    python tools/benchmark_video.py --size 270x480 --model sian --frames 40
    python tools/benchmark_video.py --size 216x384 --model nafnet --temporal 2

The first table shows the milliseconds for each frame of two steps: converting a decoded frame to a tensor, and
converting the result to an image. ``before`` is the code of version 0.2.0.dev0, which always measured the flicker.
``now`` is the code of ``derain_video``. Both are measured in turn, and the table shows the medians.

With --model, the tool also compares the rate of ``derain_video`` with the rate of the network alone. Both are measured
in turn, --rounds times. The video contains moving noise and has no sound, and each frame is derained on its own.

With --temporal N, the tool measures the network and the average with N earlier frames, for each frame in turn. It
derains no video. On a CPU, it measures the processor time of all threads, which other programs change little.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch

from mmderain.apis import derain_video, trained_derainer
from mmderain.apis.temporal import TemporalFilter
from mmderain.apis.video_opencv import mean_change
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import positive_int
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.engine.profiling import parse_size
from mmderain.io import write_frames
from mmderain.io.video.options import TEMPORAL_METHODS, VideoOptions
from mmderain.io.video.reader import FrameReader
from mmderain.io.video.scan import scan_video
from mmderain.io.video.tensors import PendingImages, images_to_tensor
from mmderain.models import Derainer


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--size', type=parse_size, default=(1080, 1920), metavar='HEIGHTxWIDTH', help='frame size (default: 1080x1920)'
    )
    parser.add_argument('--frames', type=positive_int, default=30, help='number of timed frames (default: 30)')
    parser.add_argument('--model', help='name or config of a derainer (default: measure only the conversions)')
    parser.add_argument(
        '--rounds', type=positive_int, default=1, help='number of measurements of derain_video (default: 1)'
    )
    parser.add_argument(
        '--temporal', type=positive_int, metavar='N', help='measure the average with N earlier frames, too'
    )
    parser.add_argument('--device', default='cpu', help='device of the network (default: cpu)')
    return parser.parse_args(argv)


def moving_noise(size: tuple[int, int], frames: int) -> Iterator[np.ndarray]:
    """Yield BGR frames that differ from each other."""
    height, width = size
    noise = np.random.default_rng(0).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
    noise = noise.repeat(8, 0).repeat(8, 1)
    for number in range(frames):
        yield np.ascontiguousarray(np.roll(noise, 3 * number, 1)[:height, :width])


# --- the conversions of version 0.2.0.dev0 ---------------------------------------------------------


def before(frame: np.ndarray, previous: tuple[np.ndarray, np.ndarray], device: torch.device) -> np.ndarray:
    """Convert a BGR frame to a tensor and back, and measure the flicker."""
    planes = np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1))
    restored = torch.stack([torch.from_numpy(planes).float() / 255]).to(device)
    levels = restored[0].detach().float().clamp(0, 1).mul_(255).round_().byte().cpu().numpy()
    image = np.ascontiguousarray(levels.transpose(1, 2, 0)[..., ::-1])
    for old, new in zip(previous, (frame, image), strict=True):
        np.abs(np.subtract(old, new, dtype=np.float32)).mean()
    return image


def now(frame: np.ndarray, previous: tuple[np.ndarray, np.ndarray], device: torch.device) -> np.ndarray:
    """Convert an RGB frame to a tensor and back."""
    (image,) = PendingImages(images_to_tensor([frame], device), frame.dtype).wait()
    return image


def now_with_flicker(frame: np.ndarray, previous: tuple[np.ndarray, np.ndarray], device: torch.device) -> np.ndarray:
    """Convert an RGB frame to a tensor and back, and measure the flicker."""
    image = now(frame, previous, device)
    for old, new in zip(previous, (frame, image), strict=True):
        mean_change(old, new)
    return image


def measure_conversions(args: argparse.Namespace) -> dict[str, float]:
    """Return the median milliseconds for each frame of the three functions."""
    ways: dict[str, Callable] = {'before': before, 'now': now, 'now, with the flicker': now_with_flicker}
    times: dict[str, list[float]] = {name: [] for name in ways}
    device, previous = torch.device(args.device), None
    for frame in moving_noise(args.size, args.frames + 2):
        for name, function in ways.items():
            start = time.perf_counter()
            image = function(frame, previous or (frame, frame), device)
            times[name].append(time.perf_counter() - start)
            assert np.array_equal(image, frame)  # all conversions are exact
        previous = frame, image
    return {name: 1000 * median(values[2:]) for name, values in times.items()}


def network_rate(model: Derainer, path: Path, frames: int) -> float:
    """Return the frames that the network alone derains in a second."""
    device = next(model.parameters(), torch.empty(0)).device
    batch = images_to_tensor([next(iter(FrameReader(scan_video(path)))).image], device)
    start = time.perf_counter()
    with torch.inference_mode():
        for _ in range(frames):
            model.restore(batch)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
    return frames / (time.perf_counter() - start)


def video_rate(model: Derainer, path: Path, frames: int) -> float:
    """Return the frames that ``derain_video`` derains in a second."""
    start = time.perf_counter()
    derain_video(model, path, path.with_name('derained.mp4'), options=VideoOptions(temporal=0))
    return frames / (time.perf_counter() - start)


def print_rates(model: Derainer, args: argparse.Namespace) -> None:
    """Compare the rate of ``derain_video`` with that of the network alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'noise.mp4'
        write_frames(moving_noise(args.size, args.frames), path, 25)
        derain_video(model, path, path.with_name('warm_up.mp4'), limit=2)
        for _ in range(args.rounds):
            rates = [network_rate(model, path, max(3, args.frames // 2)), video_rate(model, path, args.frames)]
            rates.append(network_rate(model, path, max(3, args.frames // 2)))
            alone, whole = (rates[0] + rates[2]) / 2, rates[1]
            print(f'network alone: {rates[0]:.2f} and {rates[2]:.2f} frames a second, before and after derain_video')
            print(f'derain_video:  {whole:.2f} frames a second, {100 * whole / alone:.1f}% of the network alone')


def print_temporal(model: Derainer, args: argparse.Namespace) -> None:
    """Compare the time of the average with earlier frames with the time of the network."""
    device = next(model.parameters(), torch.empty(0)).device
    clock = time.process_time if device.type == 'cpu' else time.perf_counter
    for method in TEMPORAL_METHODS:
        steady, times = TemporalFilter(args.temporal, method), []
        for frame in moving_noise(args.size, args.frames + args.temporal):
            start = clock()
            with torch.inference_mode():
                (image,) = PendingImages(model.restore(images_to_tensor([frame], device)), frame.dtype).wait()
            middle = clock()
            steady(image)
            times.append((middle - start, clock() - middle))
        network, average = (1000 * median(values) for values in zip(*times[args.temporal :], strict=True))
        print(f'network: {network:.1f} ms a frame')
        print(f'{method}, {args.temporal} earlier frames: {average:.1f} ms a frame, {100 * average / network:.1f}%')


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Measure, and print the tables."""
    height, width = args.size
    with keep_cpu_memory():
        conversions = measure_conversions(args)
        print(f'around the network, {width}x{height}, {args.device}, {torch.get_num_threads()} threads:')
        for name, value in conversions.items():
            print(f'  {name:20} {value:7.2f} ms a frame, {conversions["before"] / value:5.1f} times as fast')
        if args.model is None:
            return
        model = trained_derainer(args.model, device=args.device)
        (print_temporal if args.temporal else print_rates)(model, args)


if __name__ == '__main__':
    sys.exit(main())
