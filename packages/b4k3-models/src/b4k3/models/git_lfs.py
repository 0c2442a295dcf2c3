"""Recognise the small text file that git leaves in place of a large one, where Git LFS has not fetched it."""

from __future__ import annotations

import re

MAX_POINTER = 1024  # the specification of Git LFS limits pointers to this many bytes
_FIRST_LINE = re.compile(rb"version https?://[\w./-]+/spec/v\d+\s")
_OID = re.compile(rb"^oid (sha256:[0-9a-f]{64})\s*$", re.M)
_SIZE = re.compile(rb"^size (\d{1,18})\s*$", re.M)


def describe_pointer(head: bytes) -> str | None:
    """Say what a Git LFS pointer is, in words for an error.

    https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md

    Arguments:
        head: bytes, the beginning of a file.

    Returns:
        str, to follow the name of the file; None if the file is no such pointer.
    """
    if not _FIRST_LINE.match(head):
        return None
    size = _SIZE.search(head[:MAX_POINTER])
    stands_for = f"a file of {int(size.group(1)):,} bytes" if size else "a larger file"
    oid = _OID.search(head[:MAX_POINTER])
    stands_for += f" ({oid.group(1).decode('ascii')})" if oid else ""
    return (
        f"is a Git LFS pointer, a small text that stands for {stands_for}. Fetch the file itself: run `git lfs pull` "
        "in the folder, or download it with the client of the site"
    )
