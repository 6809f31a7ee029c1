"""Models by name: which there are, and where their weights come from."""

from .index import BundledModel, bundled_models, config_names, find_derainer

__all__ = ['BundledModel', 'bundled_models', 'config_names', 'find_derainer']
