"""Decorators for the `__init__` of a subclass: more arguments, or fewer."""

from __future__ import annotations

import functools
import inspect


def insert_arguments(**arguments):
    """Decorate an `__init__` so that it takes further keyword arguments and sets them as attributes.

    Arguments:
        arguments: name=default.

    The attributes are there before the `__init__` runs. The new signature is visible to `inspect.signature`, which is
    how `build_transformer_model` knows the keywords of a subclass.
    """

    def decorator(init):
        @functools.wraps(init)
        def new_init(self, *args, **kwargs):
            for name, default in arguments.items():
                setattr(self, name, kwargs.pop(name, default))
            return init(self, *args, **kwargs)

        inserted = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default in arguments.items()
        ]
        new_init.__signature__ = _with_keywords(inspect.signature(init), inserted)
        return new_init

    return decorator


def delete_arguments(*arguments):
    """Decorate an `__init__` so that it refuses these keyword arguments with a TypeError."""

    def decorator(init):
        @functools.wraps(init)
        def new_init(self, *args, **kwargs):
            for name in arguments:
                if name in kwargs:
                    raise TypeError("%s takes no keyword argument %r" % (type(self).__name__, name))
            return init(self, *args, **kwargs)

        signature = inspect.signature(init)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in arguments]
        new_init.__signature__ = signature.replace(parameters=kept)
        return new_init

    return decorator


def _with_keywords(signature, inserted):
    """The signature with keyword-only parameters, which stand before **kwargs."""
    names = {parameter.name for parameter in inserted}
    own = [parameter for parameter in signature.parameters.values() if parameter.name not in names]
    last = [own.pop()] if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    return signature.replace(parameters=own + inserted + last)
