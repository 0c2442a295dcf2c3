"""A bounded cache that is as fast as a dictionary."""

from __future__ import annotations


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
        self.keep(key, value)
        return value

    def keep(self, key, value):
        """Store a result."""
        if len(key) <= self._longest and self._half:
            if len(self) >= self._half:
                self._old = dict(self)
                self.clear()
            self[key] = value

    def known(self, keys):
        """A new dictionary of keys and their results, None where there is none yet. `keys` is a set."""
        found = dict(zip(keys, map(self.get, keys)))
        old = self._old
        for key in filter(old.__contains__, keys):
            if found[key] is None:
                found[key] = old[key]
                self.keep(key, old[key])
        return found
