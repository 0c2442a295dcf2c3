"""Chinese and multilingual pretrained transformers for every Keras, loaded from the checkpoints their authors published."""

from .__about__ import __version__
