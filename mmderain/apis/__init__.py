from .checkpoint import load_weights, read_checkpoint, save_weights
from .inferencer import DerainInferencer, Inference
from .model import init_model
from .run import naming_unknown_arguments, prepare_config, require_data
from .video import VideoReport, derain_video
from .zoo import ShippedModel, config_names, find_derainer, shipped_models, trained_derainer

__all__ = [
    'DerainInferencer',
    'Inference',
    'ShippedModel',
    'VideoReport',
    'config_names',
    'derain_video',
    'find_derainer',
    'init_model',
    'load_weights',
    'naming_unknown_arguments',
    'prepare_config',
    'read_checkpoint',
    'require_data',
    'save_weights',
    'shipped_models',
    'trained_derainer',
]
