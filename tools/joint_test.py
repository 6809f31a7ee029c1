"""Measure the effect of rain and of derainers on a detector or segmentor, as ``mmderain joint-test`` does."""

import sys

from mmderain.cli.joint_test import main, parse_args  # noqa: F401

if __name__ == '__main__':
    sys.exit(main())
