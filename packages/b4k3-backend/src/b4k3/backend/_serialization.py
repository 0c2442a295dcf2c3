"""Names under which our objects are saved, the same table on every row."""

from __future__ import annotations

PACKAGE = "b4k3"

# Short name -> class or function. Rows without a registry (keras 2.3, tf.keras 1.15) need it to load a whole model:
# keras.models.load_model(path, custom_objects=custom_objects).
custom_objects = {}


def make_register(registry):
    """Return the decorator `register` of a row.

    Arguments:
        registry: the row's `register_keras_serializable`, or None where Keras has none.
    """

    def register(obj=None, name=None):
        """Make a class or function known to serialization as `b4k3>name`, and enter it in `custom_objects`."""

        def decorate(obj):
            short = name or obj.__name__
            custom_objects[short] = obj
            return registry(package=PACKAGE, name=short)(obj) if registry else obj

        return decorate if obj is None else decorate(obj)

    return register
