"""Measure what rain takes from a detector or segmentor: the same as ``mmderain joint-test``."""

import sys

from mmderain.cli.joint_test import main, parse_args  # noqa: F401

if __name__ == '__main__':
    sys.exit(main())
