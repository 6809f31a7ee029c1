from .checkpoint import load_weights, read_checkpoint, save_weights
from .model import init_model
from .run import naming_unknown_arguments, prepare_config, require_data

__all__ = [
    'init_model',
    'load_weights',
    'naming_unknown_arguments',
    'prepare_config',
    'read_checkpoint',
    'require_data',
    'save_weights',
]
