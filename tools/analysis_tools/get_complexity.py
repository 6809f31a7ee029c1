"""Parameters, multiply-adds and seconds of the network of a config.

    python tools/analysis_tools/get_complexity.py configs/derain/mafnet_rain200h.py --size 320 480

Multiply-adds are those of convolutions and matrix products, as torch counts them.
"""

import argparse
import sys
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmderain.apis import init_model
from mmderain.errors import InputError


def multiply_adds(network: torch.nn.Module, size: tuple[int, int]) -> int:
    """Of one forward pass of one picture."""
    device = next(network.parameters()).device
    # As plain matrix products: torch does not count its fused attention on a CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.rand(1, 3, *size, device=device))
    return counter.get_total_flops() // 2


def seconds(network: torch.nn.Module, size: tuple[int, int], repeats: int) -> float:
    """Least time of a forward pass of one picture."""
    device = next(network.parameters()).device
    picture = torch.rand(1, 3, *size, device=device).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(repeats + 1):  # the first one warms up
            start = time.perf_counter()
            network(picture)
            if device.type == 'cuda':
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - start)
    return min(times[1:])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument('--size', type=int, nargs=2, default=(320, 480), metavar=('HEIGHT', 'WIDTH'))
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=3, help='timed passes; the least time is printed')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    pixels = args.size[0] * args.size[1]
    threads = f', {torch.get_num_threads()} threads' if args.device == 'cpu' else ''
    print(f'{args.size[0]}x{args.size[1]} pixels, float32, {args.device}{threads}, torch {torch.__version__}')
    print(f'{"network":10}{"parameters":>12}{"multiply-adds a pixel":>24}{"seconds":>10}', flush=True)
    for config in args.configs:
        try:
            network = init_model(config, device=args.device).network
        except (FileNotFoundError, InputError) as error:
            print(f'error: {error}', file=sys.stderr)
            return 1
        count = sum(p.numel() for p in network.parameters())
        adds = multiply_adds(network, args.size) / pixels
        print(f'{type(network).__name__:10}{count:12,}{adds:24,.0f}', end='', flush=True)
        print(f'{seconds(network, args.size, args.repeats):10.2f}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
