"""Compiled functions that threads share: one thread traces at a time, and what is compiled is kept up to a bound."""

from __future__ import annotations

import collections
import threading

# Keras writes to layers and to tables of its own while it traces a model, and does not say that two threads may do it
# at once. Nobody waits for this lock whose shapes are compiled.
tracing = threading.RLock()


def map_leaves(function, x):
    """`function` of each leaf of lists, tuples and dicts."""
    if isinstance(x, dict):
        return {key: map_leaves(function, value) for key, value in x.items()}
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(map_leaves(function, value) for value in x))
    if isinstance(x, (list, tuple)):
        return type(x)(map_leaves(function, value) for value in x)
    return function(x)


def _signature(x):
    """Dtype and shape of a leaf, which tell what was compiled for it."""
    return str(getattr(x, "dtype", type(x))), tuple(getattr(x, "shape", ()))


class ByShape:
    """Functions for structures and shapes of their argument, of which those that were called last are kept.

    Arguments:
        make: called without arguments, gives a function that its first call compiles.
        most: int. How many functions are kept.
    """

    def __init__(self, make, most):
        self.make, self.most = make, most
        self.lock = threading.Lock()
        self.functions = collections.OrderedDict()

    def __call__(self, x):
        key = repr(map_leaves(_signature, x))
        function = self.known(key)
        if function is not None:
            return function(x)
        with tracing:
            function = self.known(key) or self.make()  # perhaps another thread was first
            result = function(x)
            self.keep(key, function)  # not what failed
        return result

    def known(self, key):
        """The function of a key, which counts as called last now; or None."""
        with self.lock:
            function = self.functions.get(key)
            if function is not None:
                self.functions.move_to_end(key)
            return function

    def keep(self, key, function):
        """Enter a function, and drop the one whose last call is the longest ago if there are too many."""
        with self.lock:
            self.functions[key] = function
            while len(self.functions) > self.most:
                self.functions.popitem(last=False)
