"""Batches, padding, decoding and the other small tools of bert4keras scripts.

Nothing is imported before it is asked for; what needs Keras takes the one of `b4k3.backend`.
"""

from __future__ import annotations

import importlib
import sys

from b4k3.backend._missing import BackendError, missing

from .__about__ import __version__

# module -> its public names
_MODULES = {
    ".arguments": "insert_arguments delete_arguments",
    ".data": "DataGenerator",
    ".decoding": "AutoRegressiveDecoder softmax",
    ".files": "open",
    ".parallel": "parallel_apply parallel_apply_generator",
    ".progress_bar": "progress",
    ".sequences": "is_one_of sequence_padding to_array truncate_sequences",
    ".serving": "WebServing",
    ".strings": "basestring convert_to_str convert_to_unicode is_py2 is_string lowercase_and_normalize strQ2B "
    "string_matching text_segmentate",
    ".structured": "ViterbiDecoder longest_common_subsequence longest_common_substring",
    "b4k3.backend": "orthogonally_resize",
}
_NAMES = {name: module for module, names in _MODULES.items() for name in names.split()}

uniout = None  # what `from bert4keras.snippets import uniout` gives on Python 3

__all__ = sorted([*_NAMES, "uniout"]) + ["__version__"]


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    try:
        value = getattr(importlib.import_module(_NAMES[name], __name__), name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None
    globals()[name] = value
    return value


def __dir__():
    return __all__
