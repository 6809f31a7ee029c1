from .derain_data_sample import DerainDataSample

__all__ = ['DerainDataSample']
