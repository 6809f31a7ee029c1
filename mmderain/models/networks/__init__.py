from .sian import SIAN

__all__ = ['SIAN']
