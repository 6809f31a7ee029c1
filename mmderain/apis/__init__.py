"""Derain images and videos from Python."""

from .inferencer import DerainInferencer, Inference
from .model import default_device, init_model, require_device, trained_derainer
from .pipeline import VideoReport, derain_video

__all__ = [
    'DerainInferencer',
    'Inference',
    'VideoReport',
    'default_device',
    'derain_video',
    'init_model',
    'require_device',
    'trained_derainer',
]
