"""Decorators for the `__init__` of a subclass: add keyword arguments, or remove some."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    Init = Callable[..., None]


def insert_arguments(**arguments: Any) -> Callable[[Init], Init]:
    """Decorate an `__init__` so that it takes further keyword arguments and sets them as attributes.

    The attributes are set before the `__init__` runs. `inspect.signature` shows the new arguments, so that
    `build_transformer_model` knows the keywords of a subclass.

    Arguments:
        arguments: the name of each new argument and its default value.

    Returns:
        Decorator.

    Example:
        >>> from b4k3.snippets import insert_arguments
        >>> class Model:
        ...     @insert_arguments(with_crf=False)
        ...     def __init__(self, size):
        ...         self.size = size
        >>> Model(3, with_crf=True).with_crf
        True

    Reference: the decorator of the same name in bert4keras, https://github.com/bojone/bert4keras
    """

    def decorator(init: Init) -> Init:
        """Decorate an `__init__`."""

        @functools.wraps(init)
        def new_init(self: Any, *args: Any, **kwargs: Any) -> None:
            """Set the new arguments as attributes and call the original `__init__`."""
            for name, default in arguments.items():
                setattr(self, name, kwargs.pop(name, default))
            return init(self, *args, **kwargs)

        inserted = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default in arguments.items()
        ]
        return _with_signature(new_init, _with_keywords(inspect.signature(init), inserted))

    return decorator


def delete_arguments(*arguments: str) -> Callable[[Init], Init]:
    """Decorate an `__init__` so that it refuses some keyword arguments with a TypeError.

    Arguments:
        arguments: the names of the arguments.

    Returns:
        Decorator.

    Example:
        >>> from b4k3.snippets import delete_arguments
        >>> class Model:
        ...     @delete_arguments("with_pool")
        ...     def __init__(self, with_pool=False):
        ...         pass
        >>> Model(with_pool=True)
        Traceback (most recent call last):
            ...
        TypeError: Model takes no keyword argument 'with_pool'

    Reference: the decorator of the same name in bert4keras, https://github.com/bojone/bert4keras
    """

    def decorator(init: Init) -> Init:
        """Decorate an `__init__`."""

        @functools.wraps(init)
        def new_init(self: Any, *args: Any, **kwargs: Any) -> None:
            """Refuse the removed arguments and call the original `__init__`."""
            for name in arguments:
                if name in kwargs:
                    raise TypeError(f"{type(self).__name__} takes no keyword argument {name!r}")
            return init(self, *args, **kwargs)

        signature = inspect.signature(init)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in arguments]
        return _with_signature(new_init, signature.replace(parameters=kept))

    return decorator


def _with_signature(function: Any, signature: inspect.Signature) -> Any:
    """Make `inspect.signature` show another signature of a function."""
    function.__signature__ = signature
    return function


def _with_keywords(signature: inspect.Signature, inserted: list[inspect.Parameter]) -> inspect.Signature:
    """Add keyword-only parameters to a signature, in front of **kwargs."""
    names = {parameter.name for parameter in inserted}
    own = [parameter for parameter in signature.parameters.values() if parameter.name not in names]
    last = [own.pop()] if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    return signature.replace(parameters=own + inserted + last)
