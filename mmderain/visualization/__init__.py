"""Show derained images beside their input and clean image."""

from .visualizer import DerainVisualizer, panel

__all__ = ['DerainVisualizer', 'panel']
