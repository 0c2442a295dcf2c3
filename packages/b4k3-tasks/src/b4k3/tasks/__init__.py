"""Text in, answers out: models with their tokenizers, for tasks.

No module is imported before one of its names is asked for. The names take their Keras from `b4k3.backend`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from b4k3.backend._missing import BackendError, missing

from .__about__ import __version__

if TYPE_CHECKING:  # what the table below gives at run time, for editors and type checkers
    from .attention import attention_weights as attention_weights
    from .fill_mask import FillMask as FillMask
    from .multiple_choice import MultipleChoice as MultipleChoice
    from .plotting import (
        Confusion as Confusion,
        confusion_matrix as confusion_matrix,
        plot_confusion as plot_confusion,
        plot_history as plot_history,
        plot_similarity as plot_similarity,
    )
    from .question_answering import QuestionAnswering as QuestionAnswering
    from .span_extractor import SpanExtractor as SpanExtractor
    from .spans import Span as Span
    from .text_classifier import TextClassifier as TextClassifier
    from .text_encoder import TextEncoder as TextEncoder
    from .text_generator import TextGenerator as TextGenerator
    from .token_tagger import TokenTagger as TokenTagger

# public name -> the module that defines it
_NAMES = {
    "Confusion": "plotting",
    "FillMask": "fill_mask",
    "MultipleChoice": "multiple_choice",
    "QuestionAnswering": "question_answering",
    "Span": "spans",
    "SpanExtractor": "span_extractor",
    "TextClassifier": "text_classifier",
    "TextEncoder": "text_encoder",
    "TextGenerator": "text_generator",
    "TokenTagger": "token_tagger",
    "attention_weights": "attention",
    "confusion_matrix": "plotting",
    "plot_confusion": "plotting",
    "plot_history": "plotting",
    "plot_similarity": "plotting",
}


def _get(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_NAMES, "__version__"])


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that `__getattr__` knows
    __getattr__ = _get
    __all__ = __dir__()
