"""The dialect of google-research's code, whose names are canonical: 'bert/encoder/layer_0/output/dense/kernel'.

https://github.com/google-research/bert
"""

from __future__ import annotations

from . import Dialect

GOOGLE = Dialect("google", None, lambda names: any("/" in name for name in names))
