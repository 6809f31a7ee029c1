"""Train a small SIAN on the bundled images, and show its results. `make demo` runs this program.

The program draws synthetic rain, as heavy as the rain of Rain100H, over free photographs. The training takes some
minutes on two CPU cores. The program then tests the network on photographs that were not used for training. It compares
the network with two simple methods, the controls: a median blur, and the rainy image minus a constant. The constant
gives the highest PSNR.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmderain.cli.command import CommandParser, command
from mmderain.engine.config import prepare_config
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.evaluation import measure
from mmderain.io.image import to_bgr_uint8, write_image
from mmderain.visualization import panel

ROOT = Path(__file__).resolve().parents[1]
PROTOCOLS = ('PSNR-Y', 'SSIM-Y(valid)')
OUTPUT = 'derained by SIAN'


class Progress(Hook):
    """Print the progress of the training. This replaces the log of the Runner, which would fill the screen."""

    def before_train(self, runner: Runner) -> None:
        """Record the start time."""
        self.start = time.monotonic()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Print the progress after every 10 steps on a terminal, else after every 100 steps, and at the end."""
        done, total = runner.iter + 1, runner.max_iters
        if done % 10 and done != total:
            return
        spent = time.monotonic() - self.start
        left = spent / done * (total - done)
        # The loss is the sum of L1 - SSIM over the three stages. Its smallest possible value is -3.
        loss = outputs['loss'].detach().item()
        line = f'  step {done:4d}/{total}   loss {loss:+.3f}   {spent:4.0f} s, {left:4.0f} s left'
        if sys.stdout.isatty():
            print('\r' + line, end='\n' if done == total else '', flush=True)
        elif done % 100 == 0 or done == total:
            print(line, flush=True)


def train(work_dir: Path, steps: int | None) -> Runner:
    """Train the network, and return the Runner.

    Args:
        work_dir: folder for checkpoints and logs.
        steps: number of steps. None uses the number in the config.
    """
    cfg = prepare_config(ROOT / 'configs/derain/sian_sample.py', work_dir)
    cfg.log_level = 'ERROR'  # mmengine logs warnings about its own deprecated code
    cfg.train_dataloader.dataset.data_root = str(ROOT / 'demo/sample/train')
    cfg.test_dataloader.dataset.data_root = str(ROOT / 'demo/sample/test')
    # The training runs without validation. The network and the controls are tested after the training.
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if steps is not None:
        cfg.train_cfg.max_iters = cfg.param_scheduler[0].T_max = steps
    runner = Runner.from_cfg(cfg)
    runner.register_hook(Progress())
    runner.train()
    return runner


def less_best_constant(rainy: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the rainy image minus the constant from 0, 4, ..., 124 that gives the highest PSNR."""
    candidates = (cv2.subtract(rainy, np.full_like(rainy, c)) for c in range(0, 128, 4))
    return max(candidates, key=lambda image: measure(image, truth, 'PSNR-Y'))


def derain_test_images(runner: Runner) -> dict[str, dict[str, np.ndarray]]:
    """Derain the test images, and apply the controls to them.

    Returns:
        A dict that maps the name of each test image to another dict. The inner dict maps the kinds of image, such as
        ``'rainy input'``, to images in BGR uint8.
    """
    model = runner.model.eval()
    images = {}
    with torch.inference_mode():
        for data in runner.build_dataloader(runner.cfg.test_dataloader):
            sample = model.test_step(data)[0]
            rainy = np.ascontiguousarray(data['inputs'][0].permute(1, 2, 0).numpy())
            truth = to_bgr_uint8(sample.gt_img)
            images[sample.name] = {
                'rainy input': rainy,
                'median blur 5x5': cv2.medianBlur(rainy, 5),
                'input less its best constant': less_best_constant(rainy, truth),
                OUTPUT: to_bgr_uint8(sample.pred_img),
                'truth': truth,
            }
    return images


def mean_scores(images: dict[str, dict[str, np.ndarray]]) -> dict[str, list[float]]:
    """Return the mean scores of each kind of image, one for each entry of ``PROTOCOLS``."""
    kinds = [kind for kind in next(iter(images.values())) if kind != 'truth']
    return {
        kind: [float(np.mean([measure(p[kind], p['truth'], q) for p in images.values()])) for q in PROTOCOLS]
        for kind in kinds
    }


def draw(images: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Write an image with one row for each test image: rainy, derained, and clean."""
    rows = []
    for kinds in images.values():
        shown = {}
        for kind in ('rainy input', OUTPUT, 'truth'):
            score = '' if kind == 'truth' else f'  {measure(kinds[kind], kinds["truth"], "PSNR-Y"):.1f} dB'
            shown[kind + score] = kinds[kind]
        rows.append(panel(shown))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows]
    write_image(np.concatenate(rows), path)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--short',
        action='store_true',
        help='train only a sixth of the steps, to check that everything works (default: train all steps)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='folder for the results (default: work_dirs/sample_demo; with --short: work_dirs/sample_demo_short)',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int:
    """Train and test the network, and write the comparison. Return 1 if the gain in PSNR is too small, else 0."""
    work_dir = args.work_dir or Path('work_dirs/sample_demo_short' if args.short else 'work_dirs/sample_demo')
    print('Training SIAN (width 16, three stages) on 25 free photographs under synthetic heavy rain')
    start = time.monotonic()
    with keep_cpu_memory():
        runner = train(work_dir, 150 if args.short else None)
        print(f'Trained for {time.monotonic() - start:.0f} s. Testing on photographs that were not used for training')
        images = derain_test_images(runner)
    table = mean_scores(images)
    print(f'\n{"mean of " + str(len(images)) + " images":32}' + ''.join(f'{p:>15}' for p in PROTOCOLS))
    for kind, (psnr, ssim) in table.items():
        print(f'{kind:32}{psnr:15.2f}{ssim:15.4f}')
    panel_path = (work_dir / 'panel.png').resolve()
    draw(images, panel_path)
    print(f'\npanel image: {panel_path}')
    print(f'weights and config: {work_dir.resolve()}')

    psnr = {kind: values[0] for kind, values in table.items()}
    gain = psnr[OUTPUT] - psnr['rainy input']
    over_controls = psnr[OUTPUT] - max(psnr['median blur 5x5'], psnr['input less its best constant'])
    wanted = (5, 1) if args.short else (10, 5)
    print(f'gain over the input {gain:.1f} dB, over the better control {over_controls:.1f} dB', end='')
    print(f' (expected at least {wanted[0]} and {wanted[1]})')
    return 0 if gain >= wanted[0] and over_controls >= wanted[1] else 1


if __name__ == '__main__':
    sys.exit(main())
