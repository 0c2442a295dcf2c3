"""A griffe extension: our docstrings have a section `Example:`, which griffe knows as `Examples:`."""

from __future__ import annotations

import re

import griffe


class OneExample(griffe.Extension):
    """Give sections the names that griffe's parser looks for."""

    def on_instance(self, *, obj, **kwargs):
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.M)
