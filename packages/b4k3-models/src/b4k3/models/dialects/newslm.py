"""The dialect of gpt2-ml, whose names are canonical: 'newslm/layer00/query_layer/kernel'.

https://github.com/imcaspar/gpt2-ml
"""

from __future__ import annotations

from . import Dialect

NEWSLM = Dialect("newslm", None, lambda names: any(name.startswith("newslm/") for name in names))
