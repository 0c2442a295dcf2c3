"""`b4k3 serve` as a process of its own, and requests byte by byte."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

START = """
import sys
from b4k3.models.cli import main
sys.exit(main(sys.argv[1:], {"serve": "b4k3.tasks.serving.command"}))
"""


class Server:
    """A server that listens; `said` has what it wrote to standard error."""

    def __init__(self, process, said):
        self.process, self.said = process, said
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", "".join(said)).group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def send(self, data, timeout=20):
        """Send bytes on a connection of their own, and return all that comes back until the server closes it."""
        with self.connect(timeout) as client:
            client.sendall(data)
            return received(client)

    def resident(self):
        """Return the memory of the process in MB (Linux)."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"RssAnon:\s+(\d+)", file.read()).group(1)) / 1024

    def cpu_seconds(self):
        """Return the processor time that the process has used (Linux)."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def received(client):
    """Return what comes on a connection until it is closed."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while True:
            part = client.recv(1 << 16)
            if not part:
                break
            parts.append(part)
    return b"".join(parts)


def post(path, body, headers="", close=True):
    """Return a request as bytes; the body is bytes, or what JSON holds."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head += headers + ("Connection: close\r\n" if close else "") + "\r\n"
    return head.encode() + body


def status_of(answer):
    """Return the status and the JSON of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body else None


@contextlib.contextmanager
def running(folder, *options, **environment):
    """Run a server on a free port; end it if that has not happened meanwhile."""
    command = [sys.executable, "-c", START, "serve", str(folder), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ, **environment))
    said = []
    reader = threading.Thread(target=lambda: said.extend(process.stderr), daemon=True)
    reader.start()
    try:
        end = time.monotonic() + 300
        while not any("is served at" in line for line in said):
            assert process.poll() is None and time.monotonic() < end, "".join(said)
            time.sleep(0.02)
        yield Server(process, said)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join(5)
