"""Python functions and classes that build derainers, derain images and videos, and export derainers."""

from .export import Export, export_derainer, load_exported
from .inferencer import DerainInferencer
from .live import serve_live, stream_video
from .model import default_device, init_model, require_device, trained_derainer
from .plan import Plan
from .results import Inference, InputResult
from .shards import Shard
from .video import derain_video
from .video_report import VideoReport

__all__ = [
    'DerainInferencer',
    'Export',
    'Inference',
    'InputResult',
    'Plan',
    'Shard',
    'VideoReport',
    'default_device',
    'derain_video',
    'export_derainer',
    'init_model',
    'load_exported',
    'require_device',
    'serve_live',
    'stream_video',
    'trained_derainer',
]
