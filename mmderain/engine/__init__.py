from .checkpoint_hook import SafeCheckpointHook
from .optim_wrapper import BFloat16OptimWrapper
from .visualization_hook import DerainVisualizationHook

__all__ = ['BFloat16OptimWrapper', 'DerainVisualizationHook', 'SafeCheckpointHook']
