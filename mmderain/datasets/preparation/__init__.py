"""Prepare published data sets: find the pairs of a release, check every file, and link them in the configs' layout.

``configs/_base_/datasets`` state the layout, and :mod:`mmderain.datasets.releases` how each data set is published.
"""

from .checking import check_files
from .finding import Found, find_pairs
from .layout import LEAK_FREE, LEFT_OUT, check_destination, write_layout

__all__ = ['LEAK_FREE', 'LEFT_OUT', 'Found', 'check_destination', 'check_files', 'find_pairs', 'write_layout']
