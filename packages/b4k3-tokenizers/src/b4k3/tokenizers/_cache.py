"""A bounded cache that is as fast as a dictionary."""

from __future__ import annotations

from itertools import islice


class Cache(dict):
    """argument -> function(argument) for text arguments.

    It holds two generations: when the new one has `size` / 2 results it becomes the old one, and what is asked for
    again moves back. Reading and storing are atomic, so that threads may share it.

    Arguments: `function`; `size`, the number of results kept; `longest`, the length of the longest argument kept.
    """

    def __init__(self, function, size, longest=16):
        super().__init__()
        self._function = function
        self._half = size // 2
        self._longest = longest
        self._old = {}

    def __missing__(self, key):
        value = self._old.get(key)
        if value is None:
            value = self._function(key)
        if len(key) <= self._longest and self._half:
            if len(self) >= self._half:
                self._grow_old()
            self[key] = value
        return value

    def recalled(self, keys):
        """A new dictionary of those of the keys, a set, that are in the old generation, and of their results."""
        old = self._old
        return {key: old[key] for key in filter(old.__contains__, keys)}

    def keep(self, results):
        """Store a dictionary of results."""
        if max(map(len, results), default=0) > self._longest:
            results = {key: value for key, value in results.items() if len(key) <= self._longest}
        if len(results) > self._half:
            results = dict(islice(results.items(), self._half))
        if len(self) + len(results) > self._half:
            self._grow_old()
        self.update(results)

    def _grow_old(self):
        self._old = dict(self)
        self.clear()
