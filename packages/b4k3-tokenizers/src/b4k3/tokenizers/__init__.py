"""Exact WordPiece and SentencePiece in pure Python."""

from .__about__ import __version__
