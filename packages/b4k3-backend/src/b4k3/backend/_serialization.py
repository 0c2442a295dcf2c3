"""Names under which our objects are saved, the same table in every environment."""

from __future__ import annotations

from typing import Any, Callable

PACKAGE = "b4k3"

# Short name -> class or function, as in bert4keras. A Keras finds them without it once their modules are imported.
custom_objects: dict[str, Any] = {}


def make_register(registry: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return the decorator `register` for the Keras of this environment.

    Arguments:
        registry: function, or None. Keras' `register_keras_serializable`; None if this Keras has none.

    Returns:
        The decorator.
    """

    def register(obj: Any = None, name: str | None = None) -> Any:
        """Register a class or function for saving as `b4k3>name`, and enter it in `custom_objects`.

        Arguments:
            obj: class or function, or None. The object to register; None makes a decorator, `@register(name="…")`.
            name: str, or None. The short name; None takes the name of the object.

        Returns:
            The object, or a decorator.

        Example:
            >>> @register
            ... class Scale(Layer):
            ...     def call(self, inputs):
            ...         return inputs * 2.0
        """

        def decorate(obj: Any) -> Any:
            """Register the object under the name, and return it."""
            short = name or obj.__name__
            custom_objects[short] = obj
            return registry(package=PACKAGE, name=short)(obj) if registry else obj

        return decorate if obj is None else decorate(obj)

    return register
