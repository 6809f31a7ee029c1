"""Hooks and the optimizer wrapper for mmengine's Runner, and functions that the tools share."""

from .checkpoint_hook import SafeCheckpointHook
from .non_finite_hook import StopIfNotFiniteHook
from .optim_wrapper import BFloat16OptimWrapper
from .visualization_hook import DerainVisualizationHook

__all__ = ['BFloat16OptimWrapper', 'DerainVisualizationHook', 'SafeCheckpointHook', 'StopIfNotFiniteHook']
