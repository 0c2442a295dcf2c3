"""Bring the files of a temporary folder to their place."""

from __future__ import annotations

import filecmp
import os

from ..errors import ConfigError


def place(new: str, folder: str, last: str, overwrite: bool) -> None:
    """Rename the files of a folder into another one, which may have files of other formats.

    Arguments:
        new: str. The folder with the new files, on the disk of the target.
        folder: str. The target.
        last: str. The name of the file by which programs open the model; it comes last.
        overwrite: bool. Whether other files of these names are replaced.

    Raises:
        ConfigError: a different file has one of these names, and `overwrite` is False. The target stays as it is.
    """
    if not os.path.lexists(folder):
        os.rename(new, folder)
        return
    names = [os.path.relpath(os.path.join(at, name), new) for at, _, found in os.walk(new) for name in found]
    for name in sorted(names):
        old = os.path.join(folder, name)
        same = os.path.isfile(old) and filecmp.cmp(old, os.path.join(new, name), shallow=False)
        if os.path.lexists(old) and not overwrite and not same:
            raise ConfigError(f"{old} is there already; overwrite=True (--force) replaces it")
    for name in sorted(names, key=lambda name: (name == last, name)):
        target = os.path.join(folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(os.path.join(new, name), target)
