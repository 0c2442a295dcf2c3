"""The commands that b4k3-tasks adds to `b4k3`, by the entry points `b4k3.commands` in its metadata.

The modules of the commands import no framework until they run.
"""

from __future__ import annotations

# command -> its module; pyproject.toml has the same lines
COMMANDS = {name: f"b4k3.tasks.commands.{name}" for name in ("encode", "classify", "tag", "generate", "export")}
