"""The version of mmderain, in a file that packaging reads without importing anything."""

__version__ = '0.2.0.dev0'
