from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch.utils.data import get_worker_info

from mmderain.errors import InputError
from mmderain.registry import TRANSFORMS

from .chain import build_derainer, derain_levels


@TRANSFORMS.register_module()
class Derain(BaseTransform):
    """Derain ``img`` in any mmdet, mmseg or mmcv pipeline; put it right after the picture is loaded.

    There the picture has its native resolution, so streaks have the scale that the derainer was trained for, and
    test-time augmentation, which comes later, derains once.

    Args:
        config, checkpoint: as :func:`~mmderain.perception.chain.build_derainer`; both are checked at once.
        device: ``'cpu'``, or a GPU, which works in the main process only (``num_workers=0``).
        min_change: leave a picture alone that the derainer would change by less than this, the mean absolute
            change in levels of 255. None, the default, derains all.
        precision: ``'bf16'``, ``'fp16'`` or ``'auto'`` for speed, see :class:`~mmderain.models.Derainer`; None takes
            the config's.

    Raises:
        FileNotFoundError, InputError: when built: config or checkpoint are missing or do not fit. When called: a
            picture that is not 8-bit BGR, or a GPU asked for in a loader's worker.
    """

    def __init__(
        self,
        config: str | Path | dict,
        checkpoint: str | Path | None = None,
        device: str = 'cpu',
        min_change: float | None = None,
        precision: str | None = None,
    ) -> None:
        self.config = config
        self.checkpoint = checkpoint
        self.device = device
        self.min_change = min_change
        self.precision = precision
        # Built on the CPU even for a GPU: a process that has touched CUDA cannot fork its loaders.
        self._derainer = build_derainer(config, checkpoint, precision=precision)

    def __getstate__(self) -> dict:
        """Pickled without the network, which a worker builds anew."""
        return {**self.__dict__, '_derainer': None}

    def _network(self) -> torch.nn.Module:
        if get_worker_info() is not None and not str(self.device).startswith('cpu'):
            raise InputError(
                f'mmderain.Derain: device={self.device!r} in a loader process, where a GPU cannot be used; set '
                "num_workers=0 (and persistent_workers=False), device='cpu', or use mmderain.DerainBeforeTask, which "
                'runs on the device of the model'
            )
        if self._derainer is None:
            self._derainer = build_derainer(self.config, self.checkpoint, precision=self.precision)
        return self._derainer.to(self.device)

    def transform(self, results: dict) -> dict:
        img = results['img']
        whole = img if img.dtype == np.uint8 else np.rint(img).clip(0, 255).astype(np.uint8)
        if img.ndim != 3 or img.shape[2] != 3 or not np.array_equal(img, whole):
            raise InputError(
                f'mmderain.Derain: {results.get("img_path", "the picture")} is {img.dtype} {img.shape}; expected BGR '
                '(H, W, 3) of whole numbers from 0 to 255, as loaded: put Derain right after the loading transform'
            )
        network = self._network()
        batch = torch.from_numpy(np.ascontiguousarray(whole.transpose(2, 0, 1)))[None].to(self.device).float()
        with torch.inference_mode():
            derained = derain_levels(network, batch, self.min_change)[0]
        # As loaded: some pipelines ask for float32.
        results['img'] = np.ascontiguousarray(derained.cpu().numpy().transpose(1, 2, 0)).astype(img.dtype)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(config={self.config!r}, checkpoint={self.checkpoint!r}, device={self.device!r}, '
            f'min_change={self.min_change}, precision={self.precision!r})'
        )
