from .visualizer import DerainVisualizer, panel

__all__ = ['DerainVisualizer', 'panel']
