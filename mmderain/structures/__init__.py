"""Data structures that data sets, models, metrics and visualizers exchange."""

from .derain_data_sample import DerainDataSample

__all__ = ['DerainDataSample']
