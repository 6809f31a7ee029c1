"""List the bundled models and configs, and find the config and the weights of a derainer by its name."""

from .index import BundledModel, bundled_models, config_names, find_derainer

__all__ = ['BundledModel', 'bundled_models', 'config_names', 'find_derainer']
