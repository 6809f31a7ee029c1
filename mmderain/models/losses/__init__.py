"""The losses of mmderain. This module also registers L1Loss and MSELoss of torch, so that configs can use them."""

from torch import nn

from mmderain.registry import MODELS

from .ssim_loss import SSIMLoss

MODELS.register_module(name='L1Loss', module=nn.L1Loss)
MODELS.register_module(name='MSELoss', module=nn.MSELoss)

__all__ = ['SSIMLoss']
