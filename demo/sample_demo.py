"""Train a small SIAN on the pictures that ship with mmderain and look at what it does: `make demo`.

Rain as heavy as Rain100H's is drawn over free photographs. After some minutes of training on two CPU cores the
network is tested on photographs it has not seen, beside two controls that know nothing: a median blur, and the
rainy picture less the constant that suits it best (chosen with the truth at hand).
"""

import argparse
import sys
import time
from pathlib import Path

import cv2
import mmcv
import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmderain.engine.config import prepare_config
from mmderain.evaluation import measure
from mmderain.io.image import to_bgr_uint8
from mmderain.visualization import panel

ROOT = Path(__file__).resolve().parents[1]
PROTOCOLS = ('PSNR-Y', 'SSIM-Y(valid)')
OUTPUT = 'derained by SIAN'


class Progress(Hook):
    """One line that tells how far the training is (the Runner's own log would fill the screen)."""

    def before_train(self, runner: Runner) -> None:
        self.start = time.monotonic()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        done, total = runner.iter + 1, runner.max_iters
        if done % 10 and done != total:
            return
        spent = time.monotonic() - self.start
        left = spent / done * (total - done)
        # -SSIM summed over three stages: -3 would be perfect.
        loss = outputs['loss'].detach().item()
        line = f'  step {done:4d}/{total}   loss {loss:+.3f}   {spent:4.0f} s, {left:4.0f} s left'
        if sys.stdout.isatty():
            print('\r' + line, end='\n' if done == total else '', flush=True)
        elif done % 100 == 0 or done == total:
            print(line, flush=True)


def train(work_dir: Path, steps: int | None) -> Runner:
    cfg = prepare_config(ROOT / 'configs/derain/sian_sample.py', work_dir)
    cfg.log_level = 'ERROR'  # mmengine warns of its own deprecated parts
    cfg.train_dataloader.dataset.data_root = str(ROOT / 'demo/sample/train')
    cfg.test_dataloader.dataset.data_root = str(ROOT / 'demo/sample/test')
    # Tested here, picture by picture, beside the controls.
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if steps is not None:
        cfg.train_cfg.max_iters = cfg.param_scheduler[0].T_max = steps
    runner = Runner.from_cfg(cfg)
    runner.register_hook(Progress())
    runner.train()
    return runner


def less_best_constant(rainy: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The rainy picture less the whole number that brings it closest to the truth, an oracle's choice."""
    candidates = (cv2.subtract(rainy, np.full_like(rainy, c)) for c in range(0, 128, 4))
    return max(candidates, key=lambda picture: measure(picture, truth, 'PSNR-Y'))


def derain_test_pictures(runner: Runner) -> dict[str, dict[str, np.ndarray]]:
    """Name of each held-out picture -> kind -> BGR uint8 picture."""
    model = runner.model.eval()
    pictures = {}
    with torch.inference_mode():
        for data in runner.build_dataloader(runner.cfg.test_dataloader):
            sample = model.test_step(data)[0]
            rainy = np.ascontiguousarray(data['inputs'][0].permute(1, 2, 0).numpy())
            truth = to_bgr_uint8(sample.gt_img)
            pictures[sample.name] = {
                'rainy input': rainy,
                'median blur 5x5': cv2.medianBlur(rainy, 5),
                'input less its best constant': less_best_constant(rainy, truth),
                OUTPUT: to_bgr_uint8(sample.pred_img),
                'truth': truth,
            }
    return pictures


def figures(pictures: dict[str, dict[str, np.ndarray]]) -> dict[str, list[float]]:
    """Kind -> mean over the pictures of each protocol."""
    kinds = [kind for kind in next(iter(pictures.values())) if kind != 'truth']
    return {
        kind: [float(np.mean([measure(p[kind], p['truth'], q) for p in pictures.values()])) for q in PROTOCOLS]
        for kind in kinds
    }


def draw(pictures: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """A row for each picture: rainy, derained, truth."""
    rows = []
    for kinds in pictures.values():
        shown = {}
        for kind in ('rainy input', OUTPUT, 'truth'):
            figure = '' if kind == 'truth' else f'  {measure(kinds[kind], kinds["truth"], "PSNR-Y"):.1f} dB'
            shown[kind + figure] = kinds[kind]
        rows.append(panel(shown))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows]
    mmcv.imwrite(np.concatenate(rows), str(path))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--short', action='store_true', help='a sixth of the training, to see that all works')
    parser.add_argument('--work-dir', type=Path, help='default work_dirs/sample_demo, with --short sample_demo_short')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    if args.work_dir is None:
        args.work_dir = Path('work_dirs/sample_demo_short' if args.short else 'work_dirs/sample_demo')

    print('Training SIAN (width 16, three stages) on 25 free photographs under synthetic heavy rain')
    start = time.monotonic()
    runner = train(args.work_dir, 150 if args.short else None)
    print(f'Testing on pictures held out (trained for {time.monotonic() - start:.0f} s)')
    pictures = derain_test_pictures(runner)
    table = figures(pictures)
    print(f'\n{"mean of " + str(len(pictures)) + " pictures":32}' + ''.join(f'{p:>15}' for p in PROTOCOLS))
    for kind, (psnr, ssim) in table.items():
        print(f'{kind:32}{psnr:15.2f}{ssim:15.4f}')
    picture = (args.work_dir / 'panel.png').resolve()
    draw(pictures, picture)
    print(f'\npanel picture: {picture}')
    print(f'weights and config: {args.work_dir.resolve()}')

    psnr = {kind: values[0] for kind, values in table.items()}
    gain = psnr[OUTPUT] - psnr['rainy input']
    over_controls = psnr[OUTPUT] - max(psnr['median blur 5x5'], psnr['input less its best constant'])
    wanted = (5, 1) if args.short else (10, 5)
    print(f'gain over the input {gain:.1f} dB, over the better control {over_controls:.1f} dB', end='')
    print(f' (expected at least {wanted[0]} and {wanted[1]})')
    return 0 if gain >= wanted[0] and over_controls >= wanted[1] else 1


if __name__ == '__main__':
    sys.exit(main())
