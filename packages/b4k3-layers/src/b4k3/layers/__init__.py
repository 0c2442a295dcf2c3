"""The layers of the bert4keras family for every Keras."""

from .__about__ import __version__
