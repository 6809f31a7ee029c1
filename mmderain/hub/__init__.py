"""Find models by name: list the named models, and return their configs and weights."""

from .find import find_derainer, find_task_model
from .index import NamedModel, bundled_models, config_names, named_models
from .metafiles import PublishedTaskModel, task_models

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
