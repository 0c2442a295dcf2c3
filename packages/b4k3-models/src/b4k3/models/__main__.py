"""`python -m b4k3.models` is the command `b4k3`."""

import sys

from .cli import main

sys.exit(main())
