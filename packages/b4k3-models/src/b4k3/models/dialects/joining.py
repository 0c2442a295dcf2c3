"""Find the places of variables in the files of a dialect, and join those that such a file has in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Sequence

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from . import Dialect


def places(names: Iterable[str], target: Dialect) -> tuple[dict[str, tuple[list[str], bool]], list[str]]:
    """Find the names under which a dialect writes variables.

    Arguments:
        names: canonical names.
        target: `Dialect`.

    Returns:
        A dict from each name in the file to (the canonical names that are joined there, whether the array is
        transposed), and the list of the canonical names that cannot be written: the dialect has no name for them, or
        other variables are missing that would have to be joined with them.

    Example:
        >>> from b4k3.models.dialects import Dialect, linear, places
        >>> mine = Dialect("mine", linear("bert/pooler/dense", "pooler"), lambda names: "pooler.weight" in names)
        >>> places(["bert/pooler/dense/kernel", "global_step"], mine)
        ({'pooler.weight': (['bert/pooler/dense/kernel'], True)}, ['global_step'])
    """
    found: dict[str, tuple[list[str], bool]] = {}
    unknown: list[str] = []
    for canonical in names:
        candidates = target.candidates(canonical)
        if not candidates:
            unknown.append(canonical)
            continue
        name, transposed = candidates[0]
        if target.part(canonical) is None:
            for name, transposed in candidates[:1] + target.copies(canonical):
                found[name] = ([canonical], transposed)
        else:
            found.setdefault(name, ([], transposed))[0].append(canonical)
    for name, (parts, _) in list(found.items()):
        part = target.part(parts[0])
        if part is not None:
            parts.sort(key=lambda canonical: (target.part(canonical) or (0, 0))[0])
            last = target.part(parts[-1]) or part
            if len(parts) != (last[0] + 1 if part[1] is None else part[1]):
                unknown += found.pop(name)[0]
    return found, unknown


def stacked(names: Sequence[str], target: Dialect) -> bool:
    """Tell whether a dialect stacks variables along a new first axis; a vector alone becomes a matrix of one row.

    Arguments:
        names: canonical names that are one variable in the file.
        target: `Dialect`.

    Returns:
        bool.
    """
    part = target.part(names[0])
    return target.is_row(names[0]) or (part is not None and part[1] is None)


def joined(values: Sequence[NDArray[Any]], transposed: bool, stack: bool = False) -> NDArray[Any]:
    """Make the array that a file has for one or several variables.

    Arguments:
        values: arrays; several ones are joined along their last axis.
        transposed: bool. Whether the file has the transposed array.
        stack: bool. Whether they are stacked along a new first axis instead.

    Returns:
        Array.
    """
    if stack:
        return np.stack(values)
    value = values[0] if len(values) == 1 else np.concatenate(values, axis=-1)
    return value.T if transposed else value
