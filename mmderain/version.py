"""The version of mmderain. The build tool reads it from this file without importing the package."""

__version__ = '0.2.0.dev0'
