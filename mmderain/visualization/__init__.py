"""Show derained images next to the rainy input and the clean image."""

from .visualizer import DerainVisualizer, grid, panel

__all__ = ['DerainVisualizer', 'grid', 'panel']
