"""Train small versions of SIAN, JDNet, NASNet and MAFNet on synthetic rain, and draw their loss curves.

    python tools/dev/compare_learning.py --rain-free DIR --test DIR --steps 600 --out work_dirs/learning

The training images are crops of 64x64 pixels from the photographs in --rain-free. Heavy rain is drawn over each crop.
Each network is trained with the loss and the optimizer of its paper. The learning rate is the same for all networks.
After the training, each network derains the rainy images in --test.

The tool writes the curves to learning.png and the values to learning.json in --out. The curves show that the networks
learn. They do not show which network is best, because no network has converged, and the networks differ in size.
docs/en/networks.md shows the curves.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import numpy as np
from matplotlib import pyplot as plt
from mmengine.config import Config
from mmengine.runner import Runner

from mmderain.cli.command import CommandParser, command
from mmderain.engine.config import prepare_config
from mmderain.io import atomic_write

ROOT = Path(__file__).resolve().parents[2]
#: Maps the name of a config of a paper to the settings that make its network small.
NETWORKS = {
    'sian_rain100h': dict(channels=16, num_stages=3),
    'jdnet_rain100h': dict(channels=16, num_units=4),
    'nasnet_rain100h': dict(channels=16, num_stages=2, num_blocks=4),
    'mafnet_rain200h': dict(channels=16, num_modules=2),
}
INTERVAL = 10  # each point of a curve is the mean loss of this number of steps


def reduced(name: str, args: argparse.Namespace) -> Config:
    """Return the config of a short training of a small network."""
    cfg = prepare_config(ROOT / f'configs/derain/{name}.py', args.out / name)
    cfg.model.network.update(NETWORKS[name])
    cfg.optim_wrapper.optimizer.lr = args.lr
    cfg.param_scheduler = [dict(type='CosineAnnealingLR', T_max=args.steps, eta_min=0, by_epoch=False)]
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=args.steps, val_interval=args.steps)
    crops = [dict(type='LoadPairedImages'), dict(type='PairedRandomCrop', crop_size=64), dict(type='PairedRandomFlip')]
    rain = [dict(type='SynthesizeRain', preset='heavy'), dict(type='PackDerainInputs')]
    cfg.train_dataloader = dict(
        batch_size=args.batch_size,
        num_workers=1,
        persistent_workers=True,
        sampler=dict(type='SeededSampler', infinite=True),
        dataset=dict(type='ImageFolderDataset', data_root=str(args.rain_free), pipeline=crops + rain),
    )
    pairing = dict(type='prefix', img='rain-', gt='norain-')
    cfg.test_dataloader.dataset.update(data_root=str(args.test), pairing=pairing)
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_evaluator.update(protocols=['PSNR-Y', 'SSIM-Y(valid)'], out_dir=str(args.out / name))
    cfg.val_dataloader, cfg.val_evaluator = cfg.test_dataloader, cfg.test_evaluator
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=args.steps, by_epoch=False)
    cfg.log_processor = dict(by_epoch=False)
    cfg.log_level = 'ERROR'
    return cfg


def train(name: str, args: argparse.Namespace) -> dict:
    """Train a network and return its losses and scores."""
    cfg = reduced(name, args)
    runner = Runner.from_cfg(cfg)
    runner.train()
    scalars = runner.message_hub.log_scalars
    losses = np.asarray(scalars['train/loss'].data[0])
    losses = losses[: len(losses) // INTERVAL * INTERVAL].reshape(-1, INTERVAL).mean(1)
    return dict(
        network=cfg.model.network.type,
        settings=NETWORKS[name],
        parameters=sum(p.numel() for p in runner.model.parameters()),
        loss=[loss.removeprefix('loss_') for loss in runner.model.losses],
        steps=[INTERVAL * (number + 1) for number in range(len(losses))],
        losses=losses.tolist(),
        input=scalars['val/input/PSNR-Y'].current(),
        **{key: scalars[f'val/{key}'].current() for key in ('PSNR-Y', 'SSIM-Y(valid)')},
    )


def draw(results: list[dict], path: Path) -> None:
    """Draw the training loss of each network, and a bar chart with the PSNR-Y of all networks."""
    figure, axes = plt.subplots(1, len(results) + 1, figsize=(4 * (len(results) + 1), 3.6))
    for axis, result in zip(axes, results, strict=False):
        axis.plot(result['steps'], result['losses'], linewidth=1)
        axis.set(title=f'{result["network"]}: {" + ".join(result["loss"])}', xlabel='step', ylabel='training loss')
        axis.grid(alpha=0.3)
    names = ['input', *(result['network'] for result in results)]
    values = [results[0]['input'], *(result['PSNR-Y'] for result in results)]
    bars = axes[-1].bar(names, values, color=['0.6', 'C0', 'C1', 'C2', 'C3'])
    axes[-1].bar_label(bars, fmt='%.2f')
    axes[-1].set(title='PSNR-Y on the test pairs, dB', ylim=(min(values) - 2, max(values) + 2))
    figure.tight_layout()
    with atomic_write(path) as part:
        figure.savefig(part, dpi=80)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--rain-free',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder of clean photographs for the training (required)',
    )
    parser.add_argument(
        '--test',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder of the test images, with the file names of Rain100H: rainy images such as rain/rain-001.png, and '
        'clean images such as norain/norain-001.png (required)',
    )
    parser.add_argument(
        '--steps', type=int, default=600, metavar='N', help='number of training steps of each network (default: 600)'
    )
    parser.add_argument(
        '--batch-size', type=int, default=8, metavar='N', help='number of crops in a training batch (default: 8)'
    )
    parser.add_argument(
        '--lr', type=float, default=1e-3, help='learning rate of all networks at the first step (default: 0.001)'
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/learning'),
        metavar='DIR',
        help='folder for the written files and the work directories of the trainings (default: %(default)s)',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Train each network, print its scores, and draw the curves."""
    text = '{network}: {parameters:,} parameters, PSNR-Y {PSNR-Y:.2f} (input {input:.2f}), SSIM-Y {SSIM-Y(valid):.4f}'
    results = {}
    for name in NETWORKS:
        results[name] = train(name, args)
        print(text.format(**results[name]), flush=True)
    with atomic_write(args.out / 'learning.json') as part:
        part.write_text(json.dumps(results, indent=1) + '\n')
    draw(list(results.values()), args.out / 'learning.png')
    print(f'{args.out / "learning.png"}\n{args.out / "learning.json"}')


if __name__ == '__main__':
    sys.exit(main())
