"""Prepare published data sets: find the image pairs, check every file, and link the files in the configs' layout.

The configs in ``configs/_base_/datasets`` describe the layout of each prepared data set.
:mod:`mmderain.datasets.releases` describes the names of files and folders in each published release.
"""

from .checking import check_files
from .finding import Found, find_pairs
from .layout import LEAK_FREE, LEFT_OUT, check_destination, write_layout

__all__ = ['LEAK_FREE', 'LEFT_OUT', 'Found', 'check_destination', 'check_files', 'find_pairs', 'write_layout']
