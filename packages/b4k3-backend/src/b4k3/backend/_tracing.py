"""Share compiled functions between threads: one thread traces at a time, and a limited number of functions is kept."""

from __future__ import annotations

import collections
import threading
from typing import Any, Callable

# Keras writes to layers and to tables of its own while it traces a model, and does not say that two threads may do it
# at once. A call whose shapes are compiled already does not wait for this lock.
tracing = threading.RLock()


def map_leaves(function: Callable[[Any], Any], x: Any) -> Any:
    """Call a function with each leaf of nested lists, tuples and dicts.

    Arguments:
        function: function. It takes a leaf and returns what stands in its place in the result.
        x: Any. Nested lists, tuples and dicts, or a single leaf.

    Returns:
        The same structure with the results as its leaves.
    """
    if isinstance(x, dict):
        return {key: map_leaves(function, value) for key, value in x.items()}
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(map_leaves(function, value) for value in x))
    if isinstance(x, (list, tuple)):
        return type(x)(map_leaves(function, value) for value in x)
    return function(x)


def _signature(x: Any) -> tuple[str, tuple[int, ...]]:
    """Return dtype and shape of a leaf, which tell what was compiled for it."""
    return str(getattr(x, "dtype", type(x))), tuple(getattr(x, "shape", ()))


class ByShape:
    """Keep one compiled function for each structure and shapes of the argument, up to a limited number.

    If there are too many, the function whose last call is the longest ago is dropped.

    Arguments:
        make: function. It takes nothing and returns a function, which its first call compiles.
        most: int. The number of functions that are kept.
    """

    def __init__(self, make: Callable[[], Callable[[Any], Any]], most: int):
        self.make, self.most = make, most
        self.lock = threading.Lock()
        self.functions = collections.OrderedDict()

    def __call__(self, x: Any) -> Any:
        key = repr(map_leaves(_signature, x))
        function = self.known(key)
        if function is not None:
            return function(x)
        with tracing:
            function = self.known(key) or self.make()  # another thread may have been first
            result = function(x)
            self.keep(key, function)  # a function that failed is not kept
        return result

    def known(self, key: str) -> Callable[[Any], Any] | None:
        """Return the function of a key, which now counts as the one that was called last.

        Arguments:
            key: str. The structure, dtypes and shapes of an argument.

        Returns:
            The function; None if there is none for this key.
        """
        with self.lock:
            function = self.functions.get(key)
            if function is not None:
                self.functions.move_to_end(key)
            return function

    def keep(self, key: str, function: Callable[[Any], Any]) -> None:
        """Enter a function, and drop the one whose last call is the longest ago if there are too many.

        Arguments:
            key: str. The structure, dtypes and shapes that the function is compiled for.
            function: function. What `make` returned.
        """
        with self.lock:
            self.functions[key] = function
            while len(self.functions) > self.most:
                self.functions.popitem(last=False)
