"""Find models by name: list the named models, and return their configs and bundled weights."""

from .index import BundledModel, bundled_models, config_names, find_derainer

__all__ = ['BundledModel', 'bundled_models', 'config_names', 'find_derainer']
