"""What lies under the name of a file and is none: `KINDS`, and `put`, which puts one there."""

import contextlib
import os
import signal
import socket

# kind -> what an error says of it
KINDS = {
    "pipe": "a named pipe",
    "endless device": "a device",
    "empty device": "a device",
    "terminal": "a device",
    "socket": "a socket",
    "folder": "a folder",
    "loop": "leads in a circle",
    "dangling link": "a link to nowhere-at-all",
}
_LINKS = {
    "endless device": "/dev/zero",
    "empty device": "/dev/null",
    "terminal": "/dev/tty",
    "dangling link": "nowhere-at-all",
}


def put(path, kind):
    """Replace what lies at a path by one of `KINDS`."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(os.path.dirname(path))  # the address of a socket may have a hundred bytes only
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.path.basename(path))
        finally:
            os.chdir(here)
    else:
        os.symlink(_LINKS.get(kind, os.path.basename(path)), path)


@contextlib.contextmanager
def no_waiting(seconds=20):
    """A guard against what never returns."""

    def stop(*_):
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
