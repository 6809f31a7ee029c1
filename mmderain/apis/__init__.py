from .checkpoint import load_weights, read_checkpoint, save_weights
from .model import init_model
from .run import prepare_config

__all__ = ['init_model', 'load_weights', 'prepare_config', 'read_checkpoint', 'save_weights']
