"""The dialect of bojone's conversions of CDial-GPT and CPM-LM, whose names are canonical: 'gpt/transformer/layer_0/…'.

https://github.com/bojone/CDial-GPT-tf, https://github.com/bojone/CPM_LM_bert4keras
"""

from __future__ import annotations

from . import Dialect

BOJONE_GPT = Dialect("bojone_gpt", None, lambda names: any(name.startswith("gpt/") for name in names))
