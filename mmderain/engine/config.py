"""Prepare configs for mmengine's Runner: options, data, worker processes, mixed precision."""

import copy
import inspect
import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmderain.compat import init_cpu_distributed
from mmderain.datasets.base import DerainDataset
from mmderain.errors import InputError, did_you_mean
from mmderain.io.config import config_errors, read_config
from mmderain.models.precision import NO_CPU_BF16, choose_precision, has_bf16, training_speedup, warn_of_slow_bf16
from mmderain.registry import DATASETS, MODELS

from .optim_wrapper import BFloat16OptimWrapper

#: Entries that a config may have in addition to the arguments of mmengine's Runner.
OTHER_ENTRIES = {'custom_imports', 'auto_scale_lr', 'find_unused_parameters', 'model_wrapper_cfg', 'work_dir'}


def refuse_unknown_options(cfg: Config, options: dict) -> None:
    """Refuse options that no part of a program would read, because they are probably typing errors.

    Args:
        cfg: config of a run.
        options: entries to override, with dotted keys.

    Raises:
        InputError: the first part of a key is not an entry of the config, and neither the Runner nor a tool reads an
            entry of this name.
    """
    known = set(cfg) | set(inspect.signature(Runner).parameters) | OTHER_ENTRIES
    for key in options:
        first = key.split('.')[0]
        if first not in known:
            raise InputError(f'--cfg-options {key}: unknown entry {first!r}{did_you_mean(first, known)}')


def limit_workers(cfg: Config) -> None:
    """Limit the number of loader processes to the number of cores.

    For the data sets of mmderain, this does not change the results: they give the same batches with any number of
    loader processes.
    """
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(key)
        if isinstance(loader, dict) and loader.get('num_workers', 0) > (os.cpu_count() or 1):
            loader['num_workers'] = os.cpu_count() or 1


def require_data(cfg: Config, *loaders: str) -> None:
    """Check that the folders of the data sets exist, before a Runner creates folders and a log.

    Args:
        cfg: config of a run.
        loaders: keys of data loaders in the config, such as ``'train_dataloader'``.

    Raises:
        FileNotFoundError: a folder is missing. The message says where the folder was expected. For the data sets of
            mmderain, the error also describes the layout of the data set, and names the place where the data set is
            published.
    """
    for key in loaders:
        dataset = (cfg.get(key) or {}).get('dataset') or {}
        cls = DATASETS.get(dataset.get('type', '')) if isinstance(dataset.get('type'), str) else None
        if isinstance(cls, type) and issubclass(cls, DerainDataset):
            DATASETS.build({**dataset, 'pipeline': [], 'lazy_init': True}).require_folders()
            continue
        # A wrapper such as RepeatDataset contains the data set in the entry `dataset`.
        for inner in (dataset, dataset.get('dataset') or {}):
            root = inner.get('data_root') or ''
            if root and '://' not in root and not Path(root).is_dir():
                raise FileNotFoundError(
                    f'{root} does not exist (looked for in {Path.cwd()}). It is the data_root of {key}. '
                    'docs/en/datasets.md says where the data sets of detectors and segmentors are published, and which '
                    'layout they must have.'
                )


def prepare_config(
    config: str | Path,
    work_dir: str | Path | None = None,
    cfg_options: dict | None = None,
    launcher: str = 'none',
    amp: bool = False,
    auto_scale_lr: bool = False,
) -> Config:
    """Read a config and prepare it for mmengine's ``Runner.from_cfg``, as the command line tools do.

    Args:
        config: config file.
        work_dir: folder for logs and checkpoints. None uses the ``work_dir`` of the config, or
            ``work_dirs/<name of the config>`` if the config has none.
        cfg_options: entries to override, with dotted keys.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``. Without a GPU, ``'pytorch'`` uses the back end
            gloo.
        amp: train in mixed precision, see :func:`use_amp`. For ``--amp=auto``, leave it False. Then call
            :func:`decide_amp` with the prepared config, and :func:`use_amp` if the result is True.
        auto_scale_lr: multiply the learning rate by the total batch size of all processes, divided by
            ``auto_scale_lr.base_batch_size`` of the config.

    Raises:
        FileNotFoundError, InputError: the config cannot be read, an option is unknown, or ``auto_scale_lr`` has no base
            batch size.
    """
    cfg = read_config(config)
    if cfg_options:
        refuse_unknown_options(cfg, cfg_options)
        with config_errors(config):
            cfg.merge_from_dict(copy.deepcopy(cfg_options))  # mmengine removes `_delete_` from its argument
    limit_workers(cfg)
    if work_dir is not None:
        cfg.work_dir = str(work_dir)
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(config).stem)
    cfg.launcher = launcher
    wrapper = init_cpu_distributed(launcher)
    if wrapper is not None:
        wrapper['find_unused_parameters'] = cfg.get('find_unused_parameters', False)
        cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}
    if amp:
        use_amp(cfg)
    if auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise InputError(f'{config}: --auto-scale-lr needs `auto_scale_lr.base_batch_size` in the config')
        cfg.auto_scale_lr.enable = True
    return cfg


def use_amp(cfg: Config) -> None:
    """Change a config to train in mixed precision: fp16 with loss scaling on a GPU, bfloat16 on a CPU.

    Args:
        cfg: config of a run; its ``optim_wrapper`` is changed.
    """
    if torch.cuda.is_available():
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    else:
        cfg.optim_wrapper.type = 'mmderain.BFloat16OptimWrapper'


def decide_amp(cfg: Config, amp: str | None, resumed: dict | None = None) -> bool:
    """Decide whether a run trains in mixed precision.

    If several processes train on CPUs, process 0 decides for all of them.

    Args:
        cfg: config of the run, as :func:`prepare_config` returns it.
        amp: value of ``--amp``:

            * None does not use mixed precision.
            * ``'on'`` uses it. On a CPU, it warns if mixed precision is slow.
            * ``'auto'`` uses it on a GPU, and does not use it on a CPU without bfloat16 in hardware. On any other CPU,
              the function measures the time of the losses and gradients of two small images. It uses mixed precision
              only if bfloat16 is faster. On a CPU, the function prints the decision.
        resumed: content of the checkpoint from which the run continues. None for a new run. On a CPU with bfloat16 in
            hardware, ``'auto'`` then measures nothing, and keeps the precision of the checkpoint, because another
            precision would change the weights. In all other cases, this argument has no effect.

    Returns:
        Whether to call :func:`use_amp`.

    Raises:
        ValueError: ``amp`` is none of these values.
    """
    if amp not in (None, 'on', 'auto'):
        raise ValueError(f"amp must be None, 'on' or 'auto', found {amp!r}")
    if amp is None or torch.cuda.is_available():
        return amp is not None
    decision = [amp == 'on']
    if get_rank() == 0:
        decision = [_decide_amp_on_cpu(cfg, amp, resumed)]
    broadcast_object_list(decision)
    return decision[0]


def _decide_amp_on_cpu(cfg: Config, amp: str, resumed: dict | None) -> bool:
    """Make the decision of :func:`decide_amp` in one process on a CPU."""
    cpu = torch.device('cpu')

    def measure() -> float:
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmderain'):
            return training_speedup(MODELS.build(cfg.model), cpu)

    if amp == 'on':
        warn_of_slow_bf16(cpu, measure, '--amp', '--amp=auto, or leave it out')
        return True
    if resumed is not None and has_bf16(cpu):
        mixed = BFloat16OptimWrapper.__name__ in resumed.get('meta', {}).get('cfg', '')
        reason = f'the checkpoint was {"" if mixed else "not "}trained in bfloat16'
    else:
        precision, speedup = choose_precision(cpu, measure)
        mixed, reason = precision == 'bf16', NO_CPU_BF16
        if speedup is not None:
            reason = f'a training step on a small batch is {speedup:.2f} times as fast in bfloat16 as in float32'
    print(f'--amp=auto: {reason}; mixed precision is {"used" if mixed else "not used"}', flush=True)
    return mixed
