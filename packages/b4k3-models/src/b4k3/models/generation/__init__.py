"""Generate text with cached keys and values, compiled where the framework can; `generate` is the function to call."""

from __future__ import annotations

from .engine import generate

__all__ = ["generate"]
