"""Draw three figures from the papers again: Fig. 6 of SIAN, Fig. 1 of MAFNet and Fig. 5 of NASNet.

    python tools/paper_figures.py stages CONFIG CHECKPOINT --img rainy.png --gt clean.png --out stages.png
    python tools/paper_figures.py attention-maps CONFIG CHECKPOINT --img rainy.png --out maps.png
    python tools/paper_figures.py attention-parameters CONFIG --out parameters.png

The figures are:

* stages (Fig. 6 of SIAN): the derained image after each stage of the network. With --gt, the caption of each image
  gives PSNR-Y in dB and SSIM-Y(valid);
* attention-maps (Fig. 1 of MAFNet): results of the spatial and of the channel attention in the last module of the
  network, at its finest scale. The figure has a map for each wavelet band of the spatial attention, and a map for each
  head of the channel attention. A map shows the mean absolute value over the channels of this band or head. In each
  map, blue is the smallest value and red is the largest value;
* attention-parameters (Fig. 5 of NASNet): the numbers of parameters of neuron attentions with several kernel sizes, of
  squeeze-and-excitation modules with several reductions, and of a 3x3 convolution. The number of channels of all these
  modules is the number of input channels of the last convolution of the network in CONFIG.
"""

import argparse
import sys
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn

from mmderain.apis import init_model
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_trust_option, checkpoint_file
from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io import read_image, write_image
from mmderain.io.image import to_bgr_uint8, to_rgb_tensor
from mmderain.models import Derainer
from mmderain.models.finite import finite_images, require_finite_results
from mmderain.models.networks.mafnet import ChannelAttention, SpatialAttention
from mmderain.models.networks.nasnet import NeuronAttention
from mmderain.models.tiling import pad_image
from mmderain.visualization import grid

#: Kernel sizes of the neuron attention, and reductions of squeeze and excitation, in the figure attention-parameters.
KERNEL_SIZES, REDUCTIONS = (3, 5, 7), (4, 8, 16)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        'figure', choices=['stages', 'attention-maps', 'attention-parameters'], help='figure to draw, see below'
    )
    parser.add_argument('config', metavar='CONFIG', help='config file of a derainer')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        type=checkpoint_file,
        metavar='CHECKPOINT',
        help='checkpoint of the derainer (default: random weights)',
    )
    add_trust_option(parser)
    parser.add_argument('--img', metavar='FILE', help='rainy image; required for the figures stages and attention-maps')
    parser.add_argument(
        '--gt', metavar='FILE', help='clean image for the scores in the figure stages (default: no scores)'
    )
    parser.add_argument('--out', required=True, metavar='FILE', help='image file to write (required)')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Draw the chosen figure, and write it to --out."""
    model = init_model(args.config, args.checkpoint)
    if args.figure == 'attention-parameters':
        counts = attention_parameters(model)
        for name, count in counts.items():
            print(f'{name:40}{count:8,}')
        draw_bars(counts, args.out)
        return
    if args.img is None:
        raise InputError(f'the figure {args.figure!r} needs a rainy image: --img FILE')
    rainy = read_image(args.img)
    if args.figure == 'stages':
        images = stage_results(model, rainy, None if args.gt is None else read_image(args.gt))
    else:
        images = attention_maps(model, rainy)
    write_image(grid(images, columns=4 if args.figure == 'attention-maps' else 3), args.out)
    print(args.out)


@torch.inference_mode()
def stage_results(model: Derainer, rainy: np.ndarray, clean: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the derained image of each stage, keyed by its caption. Print the captions that contain scores.

    Args:
        model: a model whose network returns the results of several stages.
        rainy: BGR uint8 (H, W, 3).
        clean: the clean image, BGR uint8 (H, W, 3). None leaves the scores out of the captions.

    Raises:
        InputError: the network has one stage only, or ``rainy`` and ``clean`` have different sizes.
    """
    height, width = rainy.shape[:2]
    batch = to_rgb_tensor(rainy)[None]
    results = model.stages(pad_image(batch, model.spec))
    require_finite_results([finite_images(result) for result in results], model.network, batch)
    if len(results) == 1:
        name = type(model.network).__name__
        raise InputError(f'stages: {name} returns one result; expected a network of several stages, such as SIAN')
    images = {}
    for number, result in enumerate(results, 1):
        caption, image = f'stage {number}', to_bgr_uint8(result[0, :, :height, :width])
        if clean is not None:
            scores = [measure(image, clean, protocol) for protocol in ('PSNR-Y', 'SSIM-Y(valid)')]
            caption += f': {scores[0]:.2f} / {scores[1]:.4f}'
            print(caption)
        images[caption] = image
    return images


@torch.inference_mode()
def attention_maps(model: Derainer, rainy: np.ndarray) -> dict[str, np.ndarray]:
    """Return a map of each band of the spatial attention and of each head of the channel attention, keyed by caption.

    The map of a band shows the result of the spatial attention before its last 1x1 convolution. The map of a head shows
    the values that the channel attention adds to its input.

    Args:
        model: a model with a MAFNet.
        rainy: BGR uint8 (H, W, 3).

    Raises:
        InputError: the last module of the network has neither of the two attentions of MAFNet.
    """
    groups: dict[str, Tensor] = {}

    def keep_bands(module: nn.Module, inputs: tuple[Tensor]) -> None:
        for name, band in zip(('LL', 'HL', 'LH', 'HH'), inputs[0].chunk(4, dim=1), strict=True):
            groups[f'spatial, {name}'] = band

    def keep_heads(module: ChannelAttention, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        for number, head in enumerate((output - inputs[0]).chunk(module.num_heads, dim=1), 1):
            groups[f'channel, head {number}'] = head

    # In a module, the first attention of each kind belongs to the finest scale.
    body = getattr(model.network, 'body', None)
    last = body[-1] if isinstance(body, nn.Sequential) else nn.Module()
    spatial = next((m for m in last.modules() if isinstance(m, SpatialAttention)), None)
    channel = next((m for m in last.modules() if isinstance(m, ChannelAttention)), None)
    if spatial is None and channel is None:
        raise InputError(
            f'attention-maps: {type(model.network).__name__} has no attention of MAFNet in its last module'
        )
    handles = [] if spatial is None else [spatial.out.register_forward_pre_hook(keep_bands)]
    handles += [] if channel is None else [channel.register_forward_hook(keep_heads)]
    try:
        model.restore(to_rgb_tensor(rainy)[None], tile=0)
    finally:
        for handle in handles:
            handle.remove()
    return {name: heat_map(group[0], rainy.shape[:2]) for name, group in groups.items()}


def heat_map(features: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Draw the mean absolute value over the channels of a feature map in colors.

    Args:
        features: (C, h, w). h and w are the sides of the padded image, or half of these sides.
        size: height and width of the image before it was padded.

    Returns:
        BGR uint8 (height, width, 3). Blue is the smallest value of the map, and red is its largest value.
    """
    strength = features.abs().mean(dim=0).float().numpy()
    scale = 1 if strength.shape[0] >= size[0] else 2  # the channel attention works at half the resolution
    strength = cv2.resize(strength, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)[: size[0], : size[1]]
    levels = cv2.normalize(strength, None, 0, 255, cv2.NORM_MINMAX)
    return cv2.applyColorMap(np.round(levels).astype(np.uint8), cv2.COLORMAP_JET)


def attention_parameters(model: Derainer) -> dict[str, int]:
    """Return the number of parameters of attention modules and of a 3x3 convolution, keyed by name.

    Args:
        model: a model whose network has convolutions. The number of channels of all modules is the number of input
            channels of the last convolution of this network.
    """
    channels = [m for m in model.network.modules() if isinstance(m, nn.Conv2d)][-1].in_channels
    modules: dict[str, nn.Module] = {}
    for size in KERNEL_SIZES:
        modules[f'neuron attention, {size}x{size}'] = NeuronAttention(channels, size)
    for reduction in REDUCTIONS:
        squeezed = max(1, channels // reduction)
        modules[f'squeeze and excitation, reduction {reduction}'] = nn.Sequential(
            nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        )
    modules['convolution, 3x3'] = nn.Conv2d(channels, channels, 3)
    return {name: sum(p.numel() for p in module.parameters()) for name, module in modules.items()}


def draw_bars(counts: dict[str, int], path: str) -> None:
    """Draw a bar chart of numbers of parameters, and write it to an image file."""
    figure = Figure(figsize=(8, 0.5 * len(counts) + 1), layout='constrained')
    axes = figure.subplots()
    bars = axes.barh(list(counts), list(counts.values()))
    axes.bar_label(bars, labels=[f'{count:,}' for count in counts.values()], padding=3)
    axes.set(xlabel='parameters', xscale='log')
    axes.set_xlim(right=2 * max(counts.values()))  # room for the label of the longest bar
    axes.invert_yaxis()
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(120)
    canvas.draw()
    write_image(cv2.cvtColor(np.asarray(canvas.buffer_rgba()), cv2.COLOR_RGBA2BGR), path)


if __name__ == '__main__':
    sys.exit(main())
