from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmderain.image import to_bgr_uint8
from mmderain.registry import HOOKS
from mmderain.structures import DerainDataSample


def _bgr(rainy: Tensor) -> np.ndarray:
    return np.ascontiguousarray(rainy.permute(1, 2, 0).cpu().numpy())


@HOOKS.register_module()
class DerainVisualizationHook(Hook):
    """Shows derained pictures while a model is validated or tested.

    (mmengine's own hook knows one picture a sample and no truth.)

    Args:
        val_panels: in each validation, the first so many pictures become panels in the visualizer's back ends.
        show_dir: in a test, write ``<name>.png`` (the derained picture) and ``panels/<name>.png`` there.
    """

    def __init__(self, val_panels: int = 4, show_dir: str | None = None) -> None:
        self.val_panels = val_panels
        self.show_dir = show_dir
        self._shown = 0

    def before_val_epoch(self, runner: Runner) -> None:
        self._shown = 0

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DerainDataSample]
    ) -> None:
        for rainy, sample in zip(data_batch['inputs'], outputs, strict=True):
            if self._shown >= self.val_panels:
                return
            self._shown += 1
            name = Path(sample.name).with_suffix('').as_posix().replace('/', '_')
            runner.visualizer.add_datasample(f'val_{name}', _bgr(rainy), sample, step=runner.iter)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DerainDataSample]
    ) -> None:
        if self.show_dir is None:
            return
        for rainy, sample in zip(data_batch['inputs'], outputs, strict=True):
            # The suffix stays in the name: 7.png and 7.jpg are two inputs.
            name = sample.name if sample.name.endswith('.png') else f'{sample.name}.png'
            drawn = runner.visualizer.add_datasample(name, _bgr(rainy), sample)
            mmcv.imwrite(to_bgr_uint8(sample.pred_img), str(Path(self.show_dir) / name))
            mmcv.imwrite(drawn[..., ::-1], str(Path(self.show_dir) / 'panels' / name))
