"""Show derained images beside their input and clean image."""

from .visualizer import DerainVisualizer, grid, panel

__all__ = ['DerainVisualizer', 'grid', 'panel']
