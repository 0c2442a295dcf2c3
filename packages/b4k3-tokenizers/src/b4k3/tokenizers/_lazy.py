"""Make attributes that are computed once, when they are first read. Python 3.7 has no `functools.cached_property`."""

from __future__ import annotations

from typing import Any, Callable, Generic, TypeVar

T = TypeVar("T")


class lazy(Generic[T]):
    """Turn a method without arguments into an attribute that is computed when it is first read.

    The value goes into the `__dict__` of the instance, so later reads do not come here.

    Arguments:
        function: Callable. The method.

    Example:
        >>> class Text:
        ...     @lazy
        ...     def words(self):
        ...         print("computed")
        ...         return ["hello", "world"]
        >>> text = Text()
        >>> text.words
        computed
        ['hello', 'world']
        >>> text.words
        ['hello', 'world']
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: Any) -> T:
        if instance is None:
            return self  # type: ignore[return-value]
        value = instance.__dict__[self.name] = self.function(instance)
        return value
