"""What the lazy packages answer where no Keras can be had. Imports nothing but the standard library."""

from __future__ import annotations

import dis
from types import FrameType


class BackendError(ImportError):
    """The Keras that was asked for cannot be had in this environment."""


def missing(error: BackendError, package: str, name: str, asked_in: FrameType) -> ImportError | AttributeError:
    """Return the exception for a public name whose module needs a Keras, if there is none.

    `from b4k3.models import BERT` and `b4k3.models.BERT` get the `BackendError`, which says what to install. But
    `hasattr`, `help` and `inspect.getmembers` ask for each name by calling `getattr`, and expect an AttributeError
    where a name cannot be had; an ImportError would end all of `help(b4k3.models)`. The two are told apart by the
    instruction that the asking frame is at: the call of a function, or else an import or an attribute. If that cannot
    be told, the answer is the BackendError.

    Arguments:
        error: BackendError. What importing the name's module raised.
        package: str. The name of the package.
        name: str. The public name.
        asked_in: frame. The frame that asked the package's `__getattr__`.

    Returns:
        The BackendError, or an AttributeError with its message.
    """
    operation = dis.opname[asked_in.f_code.co_code[asked_in.f_lasti]]
    if operation.startswith(("CALL", "PRECALL")) and "INTRINSIC" not in operation:  # CALL_INTRINSIC_1 is `import *`
        return AttributeError(f"module {package!r} cannot give {name!r}: {error}")
    return error
