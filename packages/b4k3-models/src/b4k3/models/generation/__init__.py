"""Generation of text with a key/value cache, compiled where the framework can; `generate` is the way in."""

from __future__ import annotations

from .engine import generate

__all__ = ["generate"]
