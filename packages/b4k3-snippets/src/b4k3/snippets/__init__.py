"""Batches, padding, decoding and the other small tools of bert4keras scripts.

Nothing is imported before it is asked for; what needs Keras takes the one of `b4k3.backend`.
"""

from __future__ import annotations

import importlib

from .__about__ import __version__

# public name -> the module that defines it
_NAMES = {
    "progress": "progress_bar",
    "sequence_padding": "sequences",
    "to_array": "sequences",
}

__all__ = sorted(_NAMES) + ["__version__"]


def __getattr__(name):
    if name in _NAMES:
        value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
        globals()[name] = value
        return value
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__():
    return __all__
