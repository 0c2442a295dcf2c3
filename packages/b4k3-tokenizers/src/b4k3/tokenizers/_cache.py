"""This module has a bounded cache that is as fast as a dictionary."""

from __future__ import annotations

from itertools import islice
from typing import Any, Callable, Iterable


class Cache(dict):
    """Map a text to `function(text)`, and remember the results of short texts.

    The cache holds two generations of results. Looking up a text in the new one is a lookup in a dictionary. When the
    new one has `size / 2` results it becomes the old one, and a result that is asked for again moves back to the new
    one. So what is used often stays, and nothing is counted at a lookup.

    Threads may share a cache, because each step that reads or stores is atomic.

    Arguments:
        function: Callable from str to the result.
        size: int. The number of results that are kept.
        longest: int. The results of texts with more characters are not kept.

    Example:
        >>> cache = Cache(str.upper, size=4)
        >>> cache["a"], cache["b"], cache["c"]
        ('A', 'B', 'C')
        >>> dict(cache), cache._old
        ({'c': 'C'}, {'a': 'A', 'b': 'B'})
    """

    def __init__(self, function: Callable[[str], Any], size: int, longest: int = 16) -> None:
        super().__init__()
        self._function = function
        self._half = size // 2
        self._longest = longest
        self._old: dict[str, Any] = {}

    def __missing__(self, key: str) -> Any:
        value = self._old.get(key)
        if value is None:
            value = self._function(key)
        if len(key) <= self._longest and self._half:
            if len(self) >= self._half:
                self._grow_old()
            self[key] = value
        return value

    def recalled(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the results of the old generation for some texts.

        Arguments:
            keys: set of str. The texts.

        Returns:
            dict. A new one, from each text that the old generation has to its result.
        """
        old = self._old
        return {key: old[key] for key in filter(old.__contains__, keys)}

    def keep(self, results: dict[str, Any]) -> None:
        """Store many results at once.

        Arguments:
            results: dict from text to result.
        """
        if max(map(len, results), default=0) > self._longest:
            results = {key: value for key, value in results.items() if len(key) <= self._longest}
        if len(results) > self._half:
            results = dict(islice(results.items(), self._half))
        if len(self) + len(results) > self._half:
            self._grow_old()
        self.update(results)

    def _grow_old(self) -> None:
        self._old = dict(self)
        self.clear()
