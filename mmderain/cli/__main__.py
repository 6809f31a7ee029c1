"""Run ``python -m mmderain.cli``."""

import sys

from mmderain.cli import main

sys.exit(main())
