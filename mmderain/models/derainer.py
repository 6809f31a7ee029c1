from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmderain.registry import MODELS
from mmderain.structures import DerainDataSample

from .precision import choose_precision, inference_speedup, warn_of_slow_bf16
from .tiling import BYTES_PER_PIXEL, HALO, available_memory, current_tile, cut, max_tile_size, pad_to, within

#: What :meth:`Derainer.restore` may compute in.
PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
#: The most that the tensors of a tile may take, bytes; the process holds up to twice as much.
TILE_MEMORY = 2**30


@MODELS.register_module()
class Derainer(BaseModel):
    """An image-to-image model: a network, its losses, and :meth:`restore`, the one way to derain a picture.

    A network is any module that maps (N, 3, H, W) to a list of stage results of that shape, the last one the
    answer. What it needs it declares as attributes; those it lacks have these defaults: ``channel_order``
    (``'rgb'``, or ``'bgr'``: of what it reads and returns), ``min_size`` (1, the least side in pixels),
    ``size_multiple`` (1), ``halo`` (64, the surroundings in pixels that a tile is seen with), ``bytes_per_pixel``
    (8192, what a pass holds at most, in float32).

    Args:
        network: config of the network.
        loss: config of a loss module, or a list of them, summed. Each is called with (result, truth), both
            (N, 3, H, W); a key ``loss_weight`` (default 1) beside its own arguments scales it. It is logged as
            ``loss_<type>``.
        supervise: ``'all'`` sums a loss over all stages, ``'last'`` takes the answer only.
        mean, std: per channel in R, G, B order on [0, 1]; the network then reads ``(x - mean) / std``. What it
            returns is taken as it is.
        precision: what :meth:`restore` computes in: ``'fp32'``, or by autocast ``'bf16'`` or ``'fp16'``. ``'auto'``
            takes bf16 where the device has it in hardware and the first call measures on a small image that it is
            faster, else fp32; results then depend on the machine. None leaves it to the autocast around, which is off
            unless somebody has turned it on. Training has its own setting, the optimizer wrapper.
        tile: side in pixels of the tiles that :meth:`restore` cuts pictures into; 0 never cuts; None does where a whole
            picture would take more than half of the memory that is free, and cuts to 1 GiB a tile at most.
        compile: arguments of ``torch.compile`` for the network, or True for its defaults; None or False runs it as it
            is. Checkpoints stay the same. It is compiled anew for new sizes, at most eight times; later new ones, and
            tiles in any case, are worked on uncompiled.
        data_preprocessor: config, by default :class:`DerainDataPreprocessor`.
        init_cfg: mmengine's weight initialisation.
    """

    def __init__(
        self,
        network: dict,
        loss: dict | Sequence[dict] = (),
        supervise: str = 'all',
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        precision: str | None = None,
        tile: int | None = None,
        compile: dict | bool | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor or dict(type='mmderain.DerainDataPreprocessor'), init_cfg)
        if supervise not in ('all', 'last'):
            raise ValueError(f"Derainer: supervise must be 'all' or 'last', found {supervise!r}")
        if precision not in (None, 'auto', *PRECISIONS):
            raise ValueError(
                f"Derainer: precision must be None, 'auto' or one of {', '.join(PRECISIONS)}, found {precision!r}"
            )
        if tile is not None and (not isinstance(tile, int) or tile < 0):
            raise ValueError(f'Derainer: tile must be None or a whole number of pixels from 0 on, found {tile!r}')
        if compile is not None and not isinstance(compile, bool | dict):
            raise TypeError(f'Derainer: compile must be True or arguments of torch.compile, found {compile!r}')
        self.precision = precision
        self._checked_precisions: dict[tuple[str, str], str] = {}  # (setting, device) -> chosen precision
        self.tile = tile
        # Bare names are ours also where another library's scope is the default.
        self.network = MODELS.build(dict(network, _scope_='mmderain'))
        self.supervise = supervise
        self.channel_order = getattr(self.network, 'channel_order', 'rgb')
        if self.channel_order not in ('rgb', 'bgr'):
            raise ValueError(
                f"{type(self.network).__name__}.channel_order must be 'rgb' or 'bgr', found {self.channel_order!r}"
            )
        for module in self.network.modules():
            if isinstance(module, torch.nn.Conv2d):  # the layout of the pictures, or each call would convert the kernel
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
        if compile is not None and compile is not False:
            try:
                self.network.compile(**({} if compile is True else compile))
            except (RuntimeError, TypeError) as error:
                raise ValueError(f'Derainer: compile={compile!r} are no arguments of torch.compile: {error}') from error
        self.register_buffer('mean', _per_channel('mean', mean), persistent=False)
        self.register_buffer('std', _per_channel('std', std), persistent=False)
        self.losses = torch.nn.ModuleDict()
        self.loss_weights: dict[str, float] = {}
        for cfg in [loss] if isinstance(loss, dict) else loss:
            cfg = dict(cfg, _scope_='mmderain')
            kind = cfg['type'] if isinstance(cfg['type'], str) else cfg['type'].__name__
            name = f'loss_{kind.rpartition(".")[2]}'
            if name in self.losses:
                raise ValueError(f'Derainer: two losses of type {kind!r}; give one, with its weight')
            self.loss_weights[name] = cfg.pop('loss_weight', 1.0)
            self.losses[name] = MODELS.build(cfg)

    def forward(
        self, inputs: Tensor, data_samples: list[DerainDataSample] | None = None, mode: str = 'tensor'
    ) -> dict[str, Tensor] | list[DerainDataSample] | list[Tensor]:
        """The three modes of an mmengine model.

        Args:
            inputs: rainy pictures (N, 3, H, W), RGB in [0, 1].
            data_samples: one a picture; ``'loss'`` needs their ``gt_img``.
            mode: ``'loss'`` returns the losses by name, ``'predict'`` the data samples with ``pred_img`` set,
                ``'tensor'`` the stage results as :meth:`stages`.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.stages(inputs)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', found {mode!r}")

    def stages(self, inputs: Tensor) -> list[Tensor]:
        """RGB in [0, 1], at a size the network takes -> its stage results, RGB, unclamped.

        The only place where channel order, mean and standard deviation are applied.
        """
        # Convolutions are faster in this layout, on a CPU by a sixth to a third; the answer is the same.
        x = inputs.contiguous(memory_format=torch.channels_last)
        if self.mean is not None:
            x = x - self.mean.to(x.dtype)
        if self.std is not None:
            x = x / self.std.to(x.dtype)
        # What a network does to a tile depends on where that lies: compiled, each would be compiled by itself.
        network = self.network if current_tile() is None else self.network._call_impl
        if self.channel_order == 'rgb':
            return list(network(x))
        return [result.flip(1) for result in network(x.flip(1))]

    def loss(self, inputs: Tensor, data_samples: list[DerainDataSample]) -> dict[str, Tensor]:
        """Each configured loss, summed over the supervised stages."""
        if not self.losses:
            raise ValueError('Derainer was built without `loss`: it can restore, but not be trained')
        target = torch.stack([sample.gt_img for sample in data_samples])
        results = self.stages(inputs)
        if self.supervise == 'last':
            results = results[-1:]
        losses = {}
        for name, module in self.losses.items():
            if getattr(module, 'takes_stages', False):
                value = module(torch.stack(results), target)
            else:
                value = sum(module(result, target) for result in results)
            losses[name] = self.loss_weights[name] * value
        return losses

    def predict(self, inputs: Tensor, data_samples: list[DerainDataSample] | None = None) -> list[DerainDataSample]:
        """Derain a batch and put each result into its data sample as ``pred_img``."""
        if data_samples is None:
            data_samples = [DerainDataSample() for _ in inputs]
        for sample, restored in zip(data_samples, self.restore(inputs), strict=True):
            sample.pred_img = restored
        return data_samples

    def restore(self, batch: Tensor, tile: int | None = None) -> Tensor:
        """Derain pictures of any size; whatever derains, the test loop first of all, calls this.

        Gradients flow if they are enabled: put ``torch.inference_mode()`` around it where none are wanted, and
        the model into ``eval()``.

        Args:
            batch: (N, 3, H, W), RGB in [0, 1], a floating type; on the model's device or another, from which each tile
                is moved there and back.
            tile: None takes the model's own setting, see :class:`Derainer`; otherwise as there.

        Returns:
            (N, 3, H, W), RGB clamped to [0, 1], not rounded, of the batch's dtype and device (the network computes in
            its own). Cut into tiles, SIAN and NASNet give what they give for the whole image, up to float
            rounding. JDNet, MAFNet and NAFNet see the whole image at once, so their result differs a little
            (docs/en/inference.md, "Large pictures").

        Raises:
            TypeError, ValueError: the batch is not what is described above.
        """
        if not isinstance(batch, Tensor) or not batch.is_floating_point():
            kind = batch.dtype if isinstance(batch, Tensor) else type(batch).__name__
            raise TypeError(
                f'restore takes a floating-point tensor in [0, 1], found {kind}; for uint8 pictures divide by 255 first'
            )
        if batch.dim() != 4 or batch.shape[1] != 3 or 0 in batch.shape:
            raise ValueError(
                f'restore takes (N, 3, H, W) with nothing empty, found {tuple(batch.shape)}'
                + ('; one picture needs a leading dimension: batch[None]' if batch.dim() == 3 else '')
            )
        device = next(self.network.parameters(), batch).device
        with self._autocast(device):
            side = self._tile_side(batch, device) if tile is None else tile
            if not side:
                return self._restore_at_once(batch, device)
            restored = torch.empty_like(batch)
            for part in cut(*batch.shape[-2:], side, getattr(self.network, 'halo', HALO)):
                with within(part):
                    seen = self._restore_at_once(batch[..., part.rows, part.columns], device)
                restored[..., part.core_rows, part.core_columns] = part.crop_core(seen)
            return restored

    def _restore_at_once(self, batch: Tensor, device: torch.device) -> Tensor:
        height, width = batch.shape[-2:]
        dtype = next(self.network.parameters(), batch).dtype
        padded = pad_to(
            batch.to(device, dtype), getattr(self.network, 'min_size', 1), getattr(self.network, 'size_multiple', 1)
        )
        restored = self.stages(padded)[-1]
        return restored[..., :height, :width].clamp(0, 1).to(batch)

    def _autocast(self, device: torch.device) -> AbstractContextManager:
        """Return the context of :attr:`precision`; the first call for a device measures where that is needed."""
        precision = self.precision
        if precision in ('auto', 'bf16'):
            if (precision, str(device)) not in self._checked_precisions:
                self._checked_precisions[precision, str(device)] = self._check_precision(device)
            precision = self._checked_precisions[precision, str(device)]
        if precision is None:
            return nullcontext()
        return torch.autocast(device.type, PRECISIONS[precision], enabled=precision != 'fp32')

    def _check_precision(self, device: torch.device) -> str:
        """Return the precision that ``'auto'`` chooses for a device, or warn if ``'bf16'`` is slow there."""
        measure = partial(inference_speedup, self.network, device)
        if self.precision == 'auto':
            return choose_precision(device, measure)[0]
        warn_of_slow_bf16(device, measure, "precision='bf16'", "precision='auto' or 'fp32'")
        return 'bf16'

    def _tile_side(self, batch: Tensor, device: torch.device) -> int:
        """Of :func:`~mmderain.models.tiling.cut`; 0 if the pictures can be worked on whole."""
        if self.tile is not None:
            return self.tile
        available = available_memory(device)
        if available is None or (torch.is_grad_enabled() and batch.requires_grad):
            return 0
        n, _, height, width = batch.shape
        of_pixel = getattr(self.network, 'bytes_per_pixel', BYTES_PER_PIXEL) * n
        if of_pixel * height * width <= available // 2:
            return 0
        return max_tile_size(min(available // 4, TILE_MEMORY), of_pixel, getattr(self.network, 'halo', HALO))


def _per_channel(name: str, values: Sequence[float] | None) -> Tensor | None:
    if values is None:
        return None
    if len(values) != 3:
        raise ValueError(f'Derainer: {name} needs three values (R, G, B), found {list(values)}')
    return torch.tensor(values).view(1, 3, 1, 1)
