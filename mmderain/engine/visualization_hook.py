"""The hook that shows derained images during validation and test."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmderain.io.files import short_name
from mmderain.io.image import to_bgr, write_image
from mmderain.io.naming import Naming
from mmderain.registry import HOOKS
from mmderain.structures import DerainDataSample


@HOOKS.register_module()
class DerainVisualizationHook(Hook):
    """Show derained images while a model is validated or tested.

    The hook draws a panel for each shown sample: the rainy image, the derained image, the clean image and the removed
    rain, side by side.

    Args:
        val_panels: number of panels that each validation sends to the back ends of the visualizer. The panels show the
            first images of the data set.
        show_dir: folder to which a test writes ``derained/<name>.png`` and ``panels/<name>.png``. If the names of two
            images differ only in their suffix, the suffix is kept: ``7.jpg.png``. None writes no files.
    """

    def __init__(self, val_panels: int = 4, show_dir: str | None = None) -> None:
        self.val_panels = val_panels
        self.show_dir = show_dir
        self._num_shown = 0
        self._shared: set[str] = set()  # names of PNG files that several images would have

    def before_val_epoch(self, runner: Runner) -> None:
        """Reset the number of shown panels."""
        self._num_shown = 0

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DerainDataSample]
    ) -> None:
        """Pass the panels of the first images to the visualizer."""
        for rainy, sample in zip(data_batch['inputs'], outputs, strict=True):
            if self._num_shown >= self.val_panels:
                return
            self._num_shown += 1
            name = Path(sample.get('name', f'{batch_idx}')).with_suffix('').as_posix()
            runner.visualizer.add_datasample(f'val_{name}', _to_rgb(rainy), sample, step=runner.iter)

    def before_test_epoch(self, runner: Runner) -> None:
        """Find the images whose names differ only in their suffix."""
        dataset = runner.test_loop.dataloader.dataset
        if self.show_dir is None or not hasattr(dataset, 'get_data_info'):
            return
        # The names of all images are compared, because other processes test the other images.
        names = {item['name'] for item in map(dataset.get_data_info, range(len(dataset))) if 'name' in item}
        counts = Counter(map(Naming().png_result, names))
        self._shared = {name for name, count in counts.items() if count > 1}

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DerainDataSample]
    ) -> None:
        """Write the derained image and the panel of each sample."""
        if self.show_dir is None:
            return
        for rainy, sample in zip(data_batch['inputs'], outputs, strict=True):
            name = self._file_name(sample.get('name', f'{batch_idx}'))
            drawn = runner.visualizer.draw_panel(_to_rgb(rainy), sample)
            write_image(to_bgr(sample.pred_img, sample.get('img_bits', 8)), Path(self.show_dir) / 'derained' / name)
            write_image(drawn[..., ::-1], Path(self.show_dir) / 'panels' / name)

    def _file_name(self, name: str) -> str:
        """Return ``7.png`` for ``7.jpg``. If the data set also contains ``7.png``, return ``7.jpg.png``."""
        result = Naming().png_result(name)
        if result not in self._shared or result == name:
            return result
        return Path(name).with_name(f'{short_name(Path(name).name, 240)}.png').as_posix()


def _to_rgb(rainy: Tensor) -> np.ndarray:
    """Convert BGR (3, H, W) in 0..255 to RGB uint8 (H, W, 3)."""
    return np.ascontiguousarray(rainy.round().byte().permute(1, 2, 0).cpu().numpy()[..., ::-1])
