"""Files that are replaced when the new one is complete."""

from __future__ import annotations

import os


def write_text(path, text, encoding="utf-8"):
    """Write a text file with LF line ends; until it is complete, an old file of this name stays as it is."""
    temporary = "%s.%d.tmp" % (path, os.getpid())
    try:
        with open(temporary, "w", encoding=encoding, newline="\n") as f:
            f.write(text)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
