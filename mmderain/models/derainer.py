"""The deraining model: a network, its losses, and the method that derains images."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmderain.errors import NonFiniteError
from mmderain.registry import MODELS
from mmderain.structures import DerainDataSample

from .fast_path import FastPath, prepare_derainer
from .finite import finite_images, require_finite_results
from .precision import PRECISIONS, choose_precision, inference_speedup, require_precision, warn_of_slow_bf16
from .spec import NetworkSpec
from .tiling import Tile, available_memory, crop_core, max_tile_size, pad_image, run_on_tiles, tile_grid

#: Types of tensors that :meth:`Derainer.restore` accepts.
INPUT_TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
#: If :class:`Derainer` chooses the tile size, the tensors of one tile need at most this number of bytes. The process
#: can need up to twice this amount.
TILE_MEMORY = 2**30


@MODELS.register_module()
class Derainer(BaseModel):
    """Deraining model: a network, its losses, and the method :meth:`restore`, which derains images.

    Args:
        network: config of the network. The network is a module with an attribute ``spec``, which is a
            :class:`~mmderain.models.spec.NetworkSpec`. The network maps images (N, 3, H, W) to a list of stage results
            of the same shape. The last stage result contains the derained images.
        loss: config of a loss module, or a list of such configs. Each loss module is called with a stage result and
            the clean images, both (N, 3, H, W). If the attribute ``takes_stages`` of the module is True, the module is
            called only once, with the results of all S supervised stages in one tensor (S, N, 3, H, W). Each config
            can have a key ``loss_weight``, by which the loss is multiplied (default 1). The training loss is the sum
            of all losses. In the log, the name of a loss is ``loss_<type>``.
        supervise: the stages for which the losses are computed. ``'all'`` computes each loss for every stage and adds
            the values. ``'last'`` computes each loss only for the last stage.
        mean: mean values of R, G and B, on the scale [0, 1]; None means 0. The input of the network is
            ``(x - mean) / std``. The output of the network is not scaled back.
        std: standard deviations of R, G and B, on the scale [0, 1]; None means 1.
        precision: number format of :meth:`restore`. ``'fp32'`` switches autocast off. ``'bf16'`` and ``'fp16'`` use
            autocast. ``'auto'`` chooses bf16 or fp32 in the first call on a device. If the device computes bf16 in
            hardware, this call measures the speed with a small image, and chooses bf16 if bf16 is more than 5% faster.
            In all other cases, the call chooses fp32. Results of ``'auto'`` can therefore differ between machines.
            None keeps the autocast state of the caller. By default, PyTorch's autocast is off. The number
            format of training is a setting of the optimizer wrapper.
        tile: side in pixels of the tiles that :meth:`restore` uses, without the halo around each tile. 0 never uses
            tiles. None uses tiles if the whole batch would need more than half of the free memory, unless the batch
            requires gradients. The tile size is then chosen so that the tensors of one tile need at most 1 GiB and at
            most a quarter of the free memory. It is at least 64 pixels, even if such a tile needs more memory.
        compile: arguments of ``torch.compile`` for the network, or True for its defaults. None or False runs the
            network uncompiled. The keys of checkpoints do not change. A new image size, batch size or precision can
            make torch compile the network again. After eight compilations, further new cases run uncompiled. Tiles
            always run uncompiled. See docs/en/performance.md.
        data_preprocessor: config of the data preprocessor; None uses :class:`~mmderain.models.DerainDataPreprocessor`.
        init_cfg: config of mmengine's weight initialization.

    Raises:
        TypeError, ValueError: an argument has the wrong type or value, or the network has no ``spec``.
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
        require_precision('Derainer', precision)
        _require_tile_size('Derainer', tile)
        if compile is not None and not isinstance(compile, bool | dict):
            raise TypeError(
                'Derainer: compile must be None, True, False or a dict of arguments of torch.compile, '
                f'found {compile!r}'
            )
        self.precision = precision
        self._checked_precisions: dict[tuple[str, str], str] = {}  # (setting, device) -> chosen precision
        self.tile = tile
        # With this scope, a type name without a prefix means a type of mmderain, even if the default scope is that of
        # another library.
        self.network = MODELS.build(dict(network, _scope_='mmderain'))
        self.spec = _spec_of(self.network)
        self.fast_path: FastPath | None = None  # set by prepare()
        self.supervise = supervise
        for module in self.network.modules():
            if isinstance(module, torch.nn.Conv2d):
                # stages() converts the images to channels_last. Weights in another memory layout would be converted in
                # each call.
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
        self._compiled = compile is not None and compile is not False
        if self._compiled:
            try:
                self.network.compile(**(compile if isinstance(compile, dict) else {}))
            except (RuntimeError, TypeError) as error:
                raise ValueError(
                    f'Derainer: torch.compile does not accept the arguments compile={compile!r}: {error}'
                ) from error
        self.register_buffer('mean', _per_channel('mean', mean), persistent=False)
        self.register_buffer('std', _per_channel('std', std), persistent=False)
        self.losses = torch.nn.ModuleDict()
        self.loss_weights: dict[str, float] = {}
        for cfg in [loss] if isinstance(loss, dict) else loss:
            cfg = dict(cfg, _scope_='mmderain')
            kind = cfg['type'] if isinstance(cfg['type'], str) else cfg['type'].__name__
            name = f'loss_{kind.rpartition(".")[2]}'
            if name in self.losses:
                raise ValueError(f'Derainer: found two losses of type {kind!r}; keep one and set its loss_weight')
            self.loss_weights[name] = cfg.pop('loss_weight', 1.0)
            self.losses[name] = MODELS.build(cfg)
        self.register_load_state_dict_pre_hook(_rename_keys_in_place)

    def forward(
        self, inputs: Tensor, data_samples: list[DerainDataSample] | None = None, mode: str = 'tensor'
    ) -> dict[str, Tensor] | list[DerainDataSample] | list[Tensor]:
        """Run one of the three modes of an mmengine model.

        Args:
            inputs: rainy images (N, 3, H, W), RGB in [0, 1].
            data_samples: one data sample for each image. The mode ``'loss'`` needs their ``gt_img``.
            mode: ``'loss'`` returns a dict of the losses (see :meth:`loss`). ``'predict'`` returns the data samples
                with ``pred_img`` set. ``'tensor'`` returns the stage results of :meth:`stages`.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples or [])
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.stages(inputs)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', found {mode!r}")

    def stages(self, inputs: Tensor, tile: Tile | None = None) -> list[Tensor]:
        """Run the network. This is the only place where channel order, mean and standard deviation are applied.

        Args:
            inputs: rainy images, (N, 3, H, W), RGB in [0, 1]. H and W must meet the requirements of the network's spec.
            tile: the part of the images that ``inputs`` contains; None if ``inputs`` contains whole images.

        Returns:
            The stage results, each (N, 3, H, W), RGB, not clamped.
        """
        # Convolutions are faster in the memory layout channels_last: by a sixth to a third on a CPU. The result is the
        # same.
        x = inputs.contiguous(memory_format=torch.channels_last)
        if self.mean is not None:
            x = x - self.mean.to(x.dtype)
        if self.std is not None:
            x = x / self.std.to(x.dtype)
        if self.spec.channel_order == 'bgr':
            x = x.flip(1)
        # A compiled network would be compiled again for the position of each tile. Its forward() is not compiled.
        network = self.network.forward if self._compiled and tile is not None else self.network
        if self.fast_path is not None and tile is None:
            results = self.fast_path(network, x)
        else:
            results = network(x, tile) if self.spec.takes_tile and tile is not None else network(x)
        return [result.flip(1) for result in results] if self.spec.channel_order == 'bgr' else list(results)

    def loss(self, inputs: Tensor, data_samples: list[DerainDataSample]) -> dict[str, Tensor]:
        """Return each configured loss, summed over the supervised stages and multiplied by its weight.

        Raises:
            ValueError: the model was built without a loss.
        """
        if not self.losses:
            raise ValueError('Derainer was built without `loss`: it can derain images, but it cannot be trained')
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
        """Derain a batch, and store each derained image as ``pred_img`` in its data sample, without clamping.

        Raises:
            NonFiniteError: a result is not finite. The message contains the ``img_path`` of its data sample.
        """
        if data_samples is None:
            data_samples = [DerainDataSample() for _ in inputs]
        try:
            results = self.restore(inputs, clamp=False)
        except NonFiniteError as error:
            raise error.with_names([str(sample.get('img_path', 'an image')) for sample in data_samples]) from None
        for sample, restored in zip(data_samples, results, strict=True):
            sample.pred_img = restored
        return data_samples

    def restore(self, batch: Tensor, tile: int | None = None, clamp: bool = True) -> Tensor:
        """Derain images of any size. The test loop, the inferencer and the transforms all call this method.

        This method computes gradients if they are enabled. For inference, call it in ``torch.inference_mode()`` and
        with the model in ``eval()`` mode.

        Args:
            batch: rainy images, (N, 3, H, W), RGB in [0, 1], of a floating-point type. The batch and the model can be
                on different devices. Each tile (or the whole batch) is then moved to the model's device, and its
                result is moved back.
            tile: side of the tiles in pixels, as in :class:`Derainer`; None uses the setting ``tile`` of the model.
            clamp: whether to set values below 0 to 0, and values above 1 to 1. Some evaluation protocols measure images
                that are not clamped.

        Returns:
            Derained images, (N, 3, H, W), RGB, not rounded. Their values are in [0, 1] if ``clamp`` is True. They have
            the dtype and the device of ``batch``. The network computes in the dtype of its parameters, unless autocast
            is on.

        SIAN and NASNet give the same result with tiles as without tiles, except for float rounding. For JDNet, MAFNet,
        NAFNet, and NASNet with ``attention='se'``, the results differ slightly, because a pixel of the result can
        depend on the whole image (docs/en/inference.md, "Large images").

        Raises:
            TypeError, ValueError: ``batch`` or ``tile`` is not as described above.
            NonFiniteError: the network returns NaN or infinite values. The error names the images of the batch.
        """
        if not isinstance(batch, Tensor):
            raise TypeError(f'restore takes a floating-point tensor in [0, 1], found {type(batch).__name__}')
        if problem := tensor_problem(batch):
            raise TypeError(f'restore takes a floating-point tensor in [0, 1]; {problem}')
        if batch.dim() != 4 or batch.shape[1] != 3 or 0 in batch.shape:
            raise ValueError(
                f'restore takes (N, 3, H, W) without an empty dimension, found {tuple(batch.shape)}'
                + ('; one image needs a leading dimension: batch[None]' if batch.dim() == 3 else '')
            )
        _require_tile_size('restore', tile)
        device = next(self.network.parameters(), batch).device
        size = self._tile_size(batch, device) if tile is None else tile
        finite: list[Tensor] = []
        restore_part = partial(self._restore_part, device=device, clamp=clamp, finite=finite)
        with self._autocast(device):
            restored = run_on_tiles(restore_part, batch, size, self.spec) if size else restore_part(batch)
        require_finite_results(finite, self.network, batch)
        return restored

    def prepare(self, size: Sequence[int] | None = None, precision: str | None = None) -> 'Derainer':
        """Return a copy that compiles its network if this saves time, see :func:`.fast_path.prepare_derainer`."""
        return prepare_derainer(self, size, precision)

    @classmethod
    def from_pretrained(cls, model: str | Path, **options: Any) -> 'Derainer':
        """Return a derainer with trained weights.

        Args:
            model: name of a model, or path of a folder that :meth:`save_pretrained` has written.
            options: further arguments of :func:`~mmderain.apis.trained_derainer`, for example ``device``.
        """
        from mmderain.apis import trained_derainer  # mmderain.apis imports this module

        return trained_derainer(model, **options)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write weights, config and model card into a folder, see :func:`mmderain.apis.pretrained.save_pretrained`."""
        from mmderain.apis.pretrained import save_pretrained  # mmderain.apis imports this module

        return save_pretrained(self, folder)

    def rename_keys(self, state_dict: dict[str, Tensor], prefix: str = '') -> dict[str, Tensor]:
        """Return a copy of a state dict in which the keys of older versions have their current names.

        Args:
            state_dict: maps keys to tensors; it is not changed.
            prefix: text with which all keys of this model begin, such as ``'derainer.'``.
        """

        def renamed(key: str) -> str:
            if not key.startswith(f'{prefix}network.'):
                return key
            parts = key.removeprefix(prefix).split('.')
            return prefix + '.'.join(self.spec.renamed_keys.get(part, part) for part in parts)

        return {renamed(key): value for key, value in state_dict.items()}

    def _restore_part(
        self, batch: Tensor, tile: Tile | None = None, *, device: torch.device, clamp: bool, finite: list[Tensor]
    ) -> Tensor:
        """Derain whole images, or one tile of the images, in one forward pass of the network.

        Append to ``finite`` whether the result of each image is finite. The check comes before the clamping, which
        would hide infinite values.
        """
        height, width = batch.shape[-2:]
        dtype = next(self.network.parameters(), batch).dtype
        padded = pad_image(batch.to(device, dtype), self.spec)
        restored = self.stages(padded, tile)[-1][..., :height, :width]
        finite.append(finite_images(restored if tile is None else crop_core(restored, tile)))
        return (restored.clamp(0, 1) if clamp else restored).to(batch)

    def _autocast(self, device: torch.device) -> AbstractContextManager:
        """Return the autocast context for :attr:`precision`.

        With ``'auto'`` and ``'bf16'``, the first call on a device can measure the speed of the network.
        """
        precision = self.precision
        if precision in ('auto', 'bf16'):
            if (precision, str(device)) not in self._checked_precisions:
                self._checked_precisions[precision, str(device)] = self._check_precision(device)
            precision = self._checked_precisions[precision, str(device)]
        if precision is None:
            return nullcontext()
        return torch.autocast(device.type, PRECISIONS[precision], enabled=precision != 'fp32')

    def _check_precision(self, device: torch.device) -> str:
        """Return the precision for a device, and warn if the setting is ``'bf16'`` and the device is slow in bf16."""
        measure = partial(inference_speedup, self.network, device)
        if self.precision == 'auto':
            return choose_precision(device, measure)[0]
        warn_of_slow_bf16(device, measure, "precision='bf16'", "precision='auto' or 'fp32'")
        return 'bf16'

    def _tile_size(self, batch: Tensor, device: torch.device) -> int:
        """Return the side of the tiles in pixels, or 0 for no tiles.

        The result is the setting ``tile`` of the model. If this setting is None, the result is chosen from the free
        memory of the device.
        """
        if self.tile is not None:
            return self.tile
        available = available_memory(device)
        if available is None or (torch.is_grad_enabled() and batch.requires_grad):
            return 0
        n, _, height, width = batch.shape
        bytes_per_pixel = self.spec.bytes_per_pixel * n
        if bytes_per_pixel * height * width <= available // 2:
            return 0
        memory = min(available // 4, TILE_MEMORY)
        return max_tile_size(memory, bytes_per_pixel, self.spec.halo, tile_grid(self.spec))


def tensor_problem(tensor: Tensor) -> str | None:
    """Return why a tensor cannot be derained, or None if its type and layout are accepted.

    Args:
        tensor: images of any shape.
    """
    if tensor.is_nested or tensor.layout != torch.strided:
        kind = 'a nested tensor' if tensor.is_nested else f'layout {tensor.layout}'
        return f'found {kind}; expected a dense tensor; to_dense() converts a sparse tensor'
    if tensor.is_meta:
        return 'found a meta tensor, which has no values; expected a tensor on a device'
    if tensor.dtype not in INPUT_TYPES:
        types = ', '.join(str(dtype).removeprefix('torch.') for dtype in INPUT_TYPES)
        return f'found {tensor.dtype}; expected one of {types}; for uint8 images, divide by 255 first'
    return None


def _require_tile_size(caller: str, tile: int | None) -> None:
    """Raise a ValueError unless ``tile`` is None, 0 or a positive integer."""
    if tile is not None and (not isinstance(tile, int) or isinstance(tile, bool) or tile < 0):
        raise ValueError(f'{caller}: tile must be None or an integer of at least 0 (pixels), found {tile!r}')


def _spec_of(network: torch.nn.Module) -> NetworkSpec:
    """Return the spec of a network, or raise a ValueError if it has none."""
    spec = getattr(network, 'spec', None)
    if not isinstance(spec, NetworkSpec):
        raise ValueError(
            f'{type(network).__name__}.spec: found {spec!r}; expected a NetworkSpec, which says what the network '
            'requires (docs/en/custom_network.md)'
        )
    return spec


def _rename_keys_in_place(model: Derainer, state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Rename the keys of a state dict before torch loads it, for example when mmengine resumes a run."""
    model.fast_path = None  # a compiled network contains the old weights
    renamed = model.rename_keys(state_dict, prefix)
    state_dict.clear()
    state_dict.update(renamed)


def _per_channel(name: str, values: Sequence[float] | None) -> Tensor | None:
    """Return the values for R, G and B as a tensor (1, 3, 1, 1), or None if ``values`` is None."""
    if values is None:
        return None
    if len(values) != 3:
        raise ValueError(f'Derainer: {name} needs three values (R, G, B), found {list(values)}')
    return torch.tensor(values).view(1, 3, 1, 1)
