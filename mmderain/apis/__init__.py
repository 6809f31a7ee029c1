from .checkpoint import load_weights, read_checkpoint, save_weights
from .inferencer import DerainInferencer, Inference
from .model import default_device, init_model
from .run import decide_amp, naming_unknown_arguments, prepare_config, require_data, use_amp
from .scene import View, figure, show_scenes, view_scene
from .task import TaskInferencer, load_task_model, load_task_weights
from .video import VideoReport, derain_video
from .zoo import ShippedModel, config_names, find_derainer, shipped_models, trained_derainer

__all__ = [
    'DerainInferencer',
    'Inference',
    'ShippedModel',
    'TaskInferencer',
    'VideoReport',
    'View',
    'config_names',
    'decide_amp',
    'default_device',
    'derain_video',
    'figure',
    'find_derainer',
    'init_model',
    'load_task_model',
    'load_task_weights',
    'load_weights',
    'naming_unknown_arguments',
    'prepare_config',
    'read_checkpoint',
    'require_data',
    'save_weights',
    'shipped_models',
    'show_scenes',
    'trained_derainer',
    'use_amp',
    'view_scene',
]
