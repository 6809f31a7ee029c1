from pathlib import Path

import torch
from mmengine.config import Config

from mmderain.compat import init_cpu_distributed
from mmderain.errors import InputError


def prepare_config(
    config: str | Path,
    work_dir: str | Path | None = None,
    cfg_options: dict | None = None,
    launcher: str = 'none',
    amp: bool = False,
    auto_scale_lr: bool = False,
) -> Config:
    """Read a config and make it ready for mmengine's ``Runner.from_cfg``, as the command line tools do.

    Args:
        config: config file.
        work_dir: where logs and checkpoints go; by default the config's own, else ``work_dirs/<its name>``.
        cfg_options: entries to override, dotted keys.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``; ``'pytorch'`` without a GPU runs on gloo.
        auto_scale_lr: scale the learning rate with the batch of all processes, as against
            ``auto_scale_lr.base_batch_size`` of the config.
        amp: train in mixed precision, fp16 with loss scaling on a GPU, bfloat16 on a CPU.
    """
    if not Path(config).is_file():
        raise FileNotFoundError(f'{config}: no such config file (sought from {Path.cwd()})')
    cfg = Config.fromfile(config)
    if cfg_options:
        cfg.merge_from_dict(cfg_options)
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
        on_gpu = torch.cuda.is_available()
        cfg.optim_wrapper.type = 'AmpOptimWrapper' if on_gpu else 'mmderain.BFloat16OptimWrapper'
        if on_gpu:
            cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise InputError(f'{config}: --auto-scale-lr needs `auto_scale_lr.base_batch_size` in the config')
        cfg.auto_scale_lr.enable = True
    return cfg
