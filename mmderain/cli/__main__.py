import sys

from mmderain.cli import main

sys.exit(main())
