"""An attribute that is computed once, when it is first asked for (functools.cached_property is not in Python 3.7)."""

from __future__ import annotations


class lazy:
    """A method of no arguments as such an attribute."""

    def __init__(self, function):
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def __get__(self, instance, owner):
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.function(instance)
        return value
