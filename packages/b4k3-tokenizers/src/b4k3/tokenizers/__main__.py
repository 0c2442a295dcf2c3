"""Run the command line with `python -m b4k3.tokenizers`."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
