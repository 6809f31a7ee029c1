"""The losses of mmderain; this module also makes two losses of torch available in configs."""

from torch import nn

from mmderain.registry import MODELS

from .ssim_loss import SSIMLoss

MODELS.register_module(name='L1Loss', module=nn.L1Loss)
MODELS.register_module(name='MSELoss', module=nn.MSELoss)

__all__ = ['SSIMLoss']
