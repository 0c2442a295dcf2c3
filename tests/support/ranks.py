"""Processes that find each other: those of torchrun, and the workers of TF_CONFIG."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import numpy as np


def free_ports(n):
    """Ports that nobody listens on; all are open at once, so that they differ."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def run_ranks(commands, folder, timeout):
    """Run a Python script with arguments in each process; return the arrays that each saved in RANKS_OUTPUT.

    Several processes get the variables of torchrun and TF_CONFIG. If one fails, all are ended.
    """
    n = len(commands)
    ports = free_ports(n)
    workers = [f"127.0.0.1:{port}" for port in ports]
    processes, outputs = [], []
    for rank, command in enumerate(commands):
        outputs.append(os.path.join(folder, f"rank-{rank}-of-{n}.npz"))
        environ = dict(os.environ, RANKS_OUTPUT=outputs[-1])
        if n > 1:
            torchrun = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n, "MASTER_PORT": ports[0]}
            environ.update({key: str(value) for key, value in torchrun.items()}, MASTER_ADDR="127.0.0.1")
            task = {"type": "worker", "index": rank}
            environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
        processes.append(subprocess.Popen([sys.executable, *command], env=environ))
    try:
        for process in processes:
            code = process.wait(timeout=timeout)
            if code:
                raise RuntimeError(f"{' '.join(process.args[1:3])}: a process ended with {code}; its output is above")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [dict(np.load(output)) for output in outputs]
