from .visualizer import DerainVisualizer, grid, panel

__all__ = ['DerainVisualizer', 'grid', 'panel']
