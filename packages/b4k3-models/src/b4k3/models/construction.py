"""Remember how an object was made, so that another process can make the same one."""

from __future__ import annotations

from typing import Any


class Constructed:
    """A mixin that remembers the arguments with which an object was made.

    Attributes:
        arguments: dict. The keyword arguments of the constructor.

    Example:
        >>> class Point(Constructed):
        ...     def __init__(self, *, x):
        ...         self.doubled = 2 * x
        >>> Point(x=3).arguments
        {'x': 3}
    """

    arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make the object, and remember the arguments."""
        made = super().__new__(cls)
        made.arguments = kwargs
        return made
