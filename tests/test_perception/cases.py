"""Derainers, task models, and configs with a derainer, for the tests of this folder."""

import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.model import BaseModule

from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module(force=True)
class IdentityDerainer(BaseModule):
    """Network that returns the images unchanged."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


@MODELS.register_module(force=True)
class Darker(BaseModule):
    """Network that subtracts ``by`` levels and counts its calls."""

    spec = NetworkSpec()
    calls = 0
    by = 10.0

    def forward(self, x):
        Darker.calls += 1
        return [x - self.by / 255]


IDENTITY = dict(config=dict(model=dict(type='mmderain.Derainer', network=dict(type='IdentityDerainer'))))
DARKER = dict(config=dict(model=dict(type='mmderain.Derainer', network=dict(type='Darker'))))
WAYS = ['transform', 'preprocessor', 'joint']


def detector() -> Config:
    return Config.fromfile(ROOT / 'tests/data/detector.py')


def segmentor() -> Config:
    return Config.fromfile(ROOT / 'tests/data/segmentor.py')


def chained(cfg: Config, way: str, derainer: str | dict) -> Config:
    """Add a derainer to a task config, in one of the ways listed in ``WAYS``."""
    if way == 'transform':
        # The inference function of mmdet reads the pipeline of test_dataloader, and that of mmseg reads test_pipeline.
        load, *rest = cfg.test_pipeline
        cfg.test_pipeline = [load, dict(type='mmderain.Derain', derainer=derainer), *rest]
        cfg.test_dataloader.dataset.pipeline = cfg.test_pipeline
    else:
        cfg.model.data_preprocessor = dict(
            type='mmderain.DerainBeforeTask',
            derainer=derainer,
            wrapped=cfg.model.data_preprocessor,
            freeze=way != 'joint',
        )
    return cfg


def fill(model: torch.nn.Module) -> None:
    """Give a task model weights that are the same with and without a derainer."""
    generator = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        if 'derainer' not in name:
            spread = (2 / parameter[0].numel()) ** 0.5 if parameter.dim() > 1 else 0.1
            parameter.data = torch.randn(parameter.shape, generator=generator) * spread + (parameter.dim() == 1)
