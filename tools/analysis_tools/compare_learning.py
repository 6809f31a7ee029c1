"""Train all four networks, small, for as many steps on synthetic rain, and draw their curves side by side.

    python tools/analysis_tools/compare_learning.py --rain-free DIR --test DIR --steps 600 --out work_dirs/learning

`--rain-free` holds clean photographs; heavy rain is drawn over 64x64 crops of them. `--test` holds real pairs as
Rain100H has them (rain/rain-001.png with norain/norain-001.png). Each network keeps its paper's loss, optimizer and
input; width, depth, batch and learning rate are set here. It shows that a network learns, not which is best: none is
trained to the end, and they differ in size.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
from mmengine.config import Config
from mmengine.runner import Runner

from mmderain.engine.config import prepare_config
from mmderain.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
#: Config with the paper's loss, optimizer and input -> what makes its network small.
NETWORKS = {
    'sian_rain100h': dict(channels=16, num_stages=3),
    'jdnet_rain100h': dict(channels=16, num_units=4),
    'nasnet_rain100h': dict(channels=16, num_stages=2, num_blocks=4),
    'mafnet_rain200h': dict(channels=16, num_modules=2),
}


def reduced(name: str, args: argparse.Namespace) -> Config:
    cfg = prepare_config(ROOT / f'configs/derain/{name}.py', args.out / name)
    cfg.model.network.update(NETWORKS[name])
    cfg.optim_wrapper.optimizer.lr = args.lr
    cfg.param_scheduler = [dict(type='CosineAnnealingLR', T_max=args.steps, eta_min=0, by_epoch=False)]
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=args.steps, val_interval=args.steps)
    cfg.train_dataloader = dict(
        batch_size=args.batch_size,
        num_workers=1,
        persistent_workers=True,
        sampler=dict(type='SeededSampler', infinite=True),
        dataset=dict(
            type='ImageFolderDataset',
            data_root=str(args.rain_free),
            pipeline=[
                dict(type='LoadPairedImages'),
                dict(type='PairedRandomCrop', crop_size=64),
                dict(type='PairedRandomFlip'),
                dict(type='SynthesizeRain', preset='heavy'),
                dict(type='PackDerainInputs'),
            ],
        ),
    )
    pairing = dict(type='prefix', img='rain-', gt='norain-')
    cfg.test_dataloader.dataset.update(data_root=str(args.test), pairing=pairing)
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_evaluator.update(protocols=['PSNR-Y', 'SSIM-Y(valid)'], out_dir=str(args.out / name))
    cfg.val_dataloader, cfg.val_evaluator = cfg.test_dataloader, cfg.test_evaluator
    cfg.default_hooks.logger.interval = 10
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=args.steps, by_epoch=False)
    cfg.log_processor = dict(by_epoch=False)
    cfg.log_level = 'ERROR'
    return cfg


def curve(work_dir: Path) -> tuple[list[int], list[float]]:
    """Steps and losses of the last run in a work dir."""
    text = sorted(work_dir.rglob('scalars.json'))[-1].read_text()
    found = re.findall(r'"loss": ([-\d.e]+).*?"step": (\d+)', text)
    return [int(step) for _, step in found], [float(loss) for loss, _ in found]


def draw(results: dict[str, dict], path: Path) -> None:
    figure, axes = plt.subplots(1, len(results) + 1, figsize=(4 * (len(results) + 1), 3.6))
    for axis, result in zip(axes, results.values(), strict=False):
        axis.plot(result['steps'], result['losses'], linewidth=1)
        axis.set(title=f'{result["network"]}: {" + ".join(result["loss"])}', xlabel='step', ylabel='training loss')
        axis.grid(alpha=0.3)
    names = ['input', *(result['network'] for result in results.values())]
    values = [next(iter(results.values()))['input'], *(result['PSNR-Y'] for result in results.values())]
    bars = axes[-1].bar(names, values, color=['0.6', 'C0', 'C1', 'C2', 'C3'])
    axes[-1].bar_label(bars, fmt='%.2f')
    axes[-1].set(title='PSNR-Y on the test pairs, dB', ylim=(min(values) - 2, max(values) + 2))
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--rain-free', type=Path, required=True, help='folder of clean photographs')
    parser.add_argument('--test', type=Path, required=True, help='folder with rain/ and norain/ like Rain100H')
    parser.add_argument('--steps', type=int, default=600)
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--lr', type=float, default=1e-3)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/learning'))
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    results = {}
    try:
        for name in NETWORKS:
            cfg = reduced(name, args)
            runner = Runner.from_cfg(cfg)
            runner.train()
            steps, losses = curve(args.out / name)
            scalars = runner.message_hub.log_scalars
            results[name] = dict(
                network=cfg.model.network.type,
                settings=NETWORKS[name],
                parameters=sum(p.numel() for p in runner.model.parameters()),
                loss=[loss.removeprefix('loss_') for loss in runner.model.losses],
                steps=steps,
                losses=losses,
                input=scalars['val/input/PSNR-Y'].current(),
                **{key: scalars[f'val/{key}'].current() for key in ('PSNR-Y', 'SSIM-Y(valid)')},
            )
            row = results[name]
            print(
                f'{row["network"]:8}{row["parameters"]:>10,} parameters   first losses {sum(losses[:3]) / 3:+.3f}   '
                f'last {sum(losses[-3:]) / 3:+.3f}   PSNR-Y {row["PSNR-Y"]:.2f} (input {row["input"]:.2f})   '
                f'SSIM-Y(valid) {row["SSIM-Y(valid)"]:.4f}',
                flush=True,
            )
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    (args.out / 'learning.json').write_text(json.dumps(results, indent=1) + '\n')
    draw(results, args.out / 'learning.png')
    print(f'{args.out / "learning.png"}\n{args.out / "learning.json"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
