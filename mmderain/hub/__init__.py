"""Find models by name: list the named models, and return their configs and weights."""

from .index import NamedModel, bundled_models, config_names, find_derainer, named_models
from .metafiles import PublishedTaskModel, find_task_model, task_models

__all__ = [
    'NamedModel',
    'PublishedTaskModel',
    'bundled_models',
    'config_names',
    'find_derainer',
    'find_task_model',
    'named_models',
    'task_models',
]
