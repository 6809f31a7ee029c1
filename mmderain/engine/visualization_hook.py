from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmderain.io.image import to_bgr_uint8, write_image
from mmderain.registry import HOOKS
from mmderain.structures import DerainDataSample


def _rgb(rainy: Tensor) -> np.ndarray:
    return np.ascontiguousarray(rainy.permute(1, 2, 0).cpu().numpy()[..., ::-1])


@HOOKS.register_module()
class DerainVisualizationHook(Hook):
    """Shows derained pictures while a model is validated or tested.

    (mmengine's own hook knows one picture a sample and no truth.)

    Args:
        val_panels: in each validation, the first so many pictures become panels in the visualizer's back ends.
        show_dir: in a test, write ``derained/<name>.png`` and ``panels/<name>.png`` there.
    """

    def __init__(self, val_panels: int = 4, show_dir: str | None = None) -> None:
        self.val_panels = val_panels
        self.show_dir = show_dir
        self._shown = 0
        self._written: set[str] = set()

    def before_val_epoch(self, runner: Runner) -> None:
        self._shown = 0

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DerainDataSample]
    ) -> None:
        for rainy, sample in zip(data_batch['inputs'], outputs, strict=True):
            if self._shown >= self.val_panels:
                return
            self._shown += 1
            name = Path(sample.get('name', f'{batch_idx}')).with_suffix('').as_posix()
            runner.visualizer.add_datasample(f'val_{name}', _rgb(rainy), sample, step=runner.iter)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DerainDataSample]
    ) -> None:
        if self.show_dir is None:
            return
        for rainy, sample in zip(data_batch['inputs'], outputs, strict=True):
            name = self._file_name(sample.get('name', f'{batch_idx}'))
            drawn = runner.visualizer.draw_panel(_rgb(rainy), sample)
            write_image(to_bgr_uint8(sample.pred_img), Path(self.show_dir) / 'derained' / name)
            write_image(drawn[..., ::-1], Path(self.show_dir) / 'panels' / name)

    def _file_name(self, name: str) -> str:
        """``7.jpg`` -> ``7.png``; beside a ``7.png``, ``7.jpg.png``: no picture is written over another."""
        file_name = Path(name).with_suffix('.png').as_posix()
        if file_name in self._written:
            file_name = f'{name}.png'
        self._written.add(file_name)
        return file_name
