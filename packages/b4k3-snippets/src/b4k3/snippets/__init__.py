"""Batches, padding, decoding and the other small tools of bert4keras scripts."""

from .__about__ import __version__
