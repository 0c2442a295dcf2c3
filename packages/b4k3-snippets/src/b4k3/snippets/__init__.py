"""Batches, padding, decoding and the other small tools of bert4keras scripts.

No module is imported before one of its names is asked for. The names that need a Keras take it from `b4k3.backend`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from b4k3.backend._missing import BackendError, missing

from .__about__ import __version__

if TYPE_CHECKING:  # what the table below gives at run time, for editors and type checkers
    from b4k3.backend import orthogonally_resize as orthogonally_resize

    from .arguments import delete_arguments as delete_arguments, insert_arguments as insert_arguments
    from .data import DataGenerator as DataGenerator
    from .decoding import AutoRegressiveDecoder as AutoRegressiveDecoder, softmax as softmax
    from .files import open as open
    from .parallel import parallel_apply as parallel_apply, parallel_apply_generator as parallel_apply_generator
    from .progress_bar import progress as progress
    from .sequences import (
        is_one_of as is_one_of,
        sequence_padding as sequence_padding,
        to_array as to_array,
        truncate_sequences as truncate_sequences,
    )
    from .serving import WebServing as WebServing
    from .sharding import DistributedSampler as DistributedSampler
    from .strings import (
        basestring as basestring,
        convert_to_str as convert_to_str,
        convert_to_unicode as convert_to_unicode,
        is_py2 as is_py2,
        is_string as is_string,
        lowercase_and_normalize as lowercase_and_normalize,
        string_matching as string_matching,
        strQ2B as strQ2B,
        text_segmentate as text_segmentate,
    )
    from .structured import (
        ViterbiDecoder as ViterbiDecoder,
        longest_common_subsequence as longest_common_subsequence,
        longest_common_substring as longest_common_substring,
        pointer_spans as pointer_spans,
    )

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
    ".sharding": "DistributedSampler",
    ".strings": "basestring convert_to_str convert_to_unicode is_py2 is_string lowercase_and_normalize strQ2B "
    "string_matching text_segmentate",
    ".structured": "ViterbiDecoder longest_common_subsequence longest_common_substring pointer_spans",
    "b4k3.backend": "orthogonally_resize",
}
_NAMES = {name: module for module, names in _MODULES.items() for name in names.split()}

uniout = None  # what `from bert4keras.snippets import uniout` gives on Python 3


def _get(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_NAMES[name], __name__), name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_NAMES, "uniout", "__version__"])


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that `__getattr__` knows
    __getattr__ = _get
    __all__ = __dir__()
