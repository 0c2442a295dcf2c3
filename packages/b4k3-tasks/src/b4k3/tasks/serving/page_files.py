"""The files of the page, with the headers that keep everything else out of it."""

from __future__ import annotations

import os
from typing import NamedTuple

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}


class PageFile(NamedTuple):
    """A file of the page.

    Attributes:
        content: bytes.
        headers: dict from name to value.

    Example:
        >>> from b4k3.tasks.serving.page_files import PageFile
        >>> PageFile(b"", {}).content
        b''
    """

    content: bytes
    headers: dict[str, str]


def read_page(folder: str = FOLDER) -> dict[str, PageFile]:
    """Read the files of the page. No other file can be asked for.

    Arguments:
        folder: str. A folder without folders in it.

    Returns:
        dict from the path of a URL to `PageFile`. `/` is index.html. It is empty if there is no page.

    Example:
        >>> from b4k3.tasks.serving.page_files import read_page
        >>> read_page("no such folder")
        {}
    """
    files = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        kind = TYPES.get(os.path.splitext(name)[1])
        if kind is not None:
            with open(os.path.join(folder, name), "rb") as file:
                files["/" if name == "index.html" else "/" + name] = PageFile(
                    file.read(), dict(HEADERS, **{"content-type": kind})
                )
    return files
