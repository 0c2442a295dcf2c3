"""A griffe extension for the form of our docstrings, which CONTRIBUTING.md describes."""

from __future__ import annotations

import re

import griffe

EXAMPLE = re.compile(r"^Example:$", re.M)
# "    units: int. The size" -> "    units: The size", because the page shows the annotation beside the name
TYPE = re.compile(r"^( +\w[\w, ]*: )(?:int|bool|str|float|dict|list|tensor)(?:,? or None)?\. (?=[A-Z])", re.M)


class OurDocstrings(griffe.Extension):
    """Give the section of examples the name that griffe's parser looks for, and say types once."""

    def on_instance(self, *, obj, **kwargs):
        if obj.docstring is not None:
            obj.docstring.value = TYPE.sub(r"\1", EXAMPLE.sub("Examples:", obj.docstring.value))
