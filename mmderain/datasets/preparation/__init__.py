"""Prepare published data sets: find the image pairs, check every file, and link the files in the required layout.

The configs in ``configs/_base_/datasets`` describe the layout that each data set needs.
:mod:`mmderain.datasets.releases` describes the names of files and folders in each published release.
"""

from .backgrounds import Comparison, compare_backgrounds, own_test_sets, read_test_set, require_clean_files
from .checking import check_files
from .finding import Found, find_pairs
from .layout import LEAK_FREE, LEFT_OUT, check_destination, write_layout

__all__ = ['LEAK_FREE', 'LEFT_OUT', 'Comparison', 'Found', 'check_destination', 'check_files', 'compare_backgrounds']
__all__ += ['find_pairs', 'own_test_sets', 'read_test_set', 'require_clean_files', 'write_layout']
