"""The error of a wrong configuration."""

from __future__ import annotations


class ConfigError(ValueError):
    """A configuration, or an argument of `build_transformer_model`, that cannot be right."""
