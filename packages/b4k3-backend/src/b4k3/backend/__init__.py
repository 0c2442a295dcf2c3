"""One Keras for b4k3: Keras 3 on JAX, PyTorch or TensorFlow, tf.keras, tf_keras and keras 2.3.1 behind one set of names."""

from .__about__ import __version__
