"""`python -m b4k3.tasks` is the command `b4k3`, with the commands of this package whatever is installed."""

import sys

from b4k3.models.cli import main
from b4k3.models.registry import entry_points

from .commands import COMMANDS

sys.exit(main(others=dict(entry_points("b4k3.commands"), **COMMANDS)))
