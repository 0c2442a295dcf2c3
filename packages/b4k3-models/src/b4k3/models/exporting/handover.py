"""Give a graph to a process that runs Keras on another backend, and take the file that it wrote."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from b4k3.backend import environment

from ..errors import ConfigError
from .formats import Format
from .writing import write

JOB = "job.json"


def write_somewhere(name: str, format: Format, graph: Any, path: str, **options: Any) -> None:
    """Write a graph here if Keras runs on the backend that traces its format, and otherwise in another process.

    Arguments:
        name: str. The name of the format.
        format: `Format`.
        graph: object with `inputs`, `outputs`, `layers`, `limits`, `metadata`, `save`, `load` and a call, as
            `ModelGraph` has.
        path: str. The file or folder to write.
        options: further arguments of `write`.

    Raises:
        ConfigError: the graph cannot be handed over, or the other process failed; the message has its reason.
    """
    if environment.is_keras3 and environment.backend == format.backend:
        write(name, graph, path, **options)
        return
    if not environment.is_keras3:
        raise ConfigError(
            f"format={name!r} is traced by Keras 3, and this is {environment}; save the weights and export them in an "
            "environment with Keras 3: `b4k3 export FOLDER OUT` does it straight from a checkpoint"
        )
    with tempfile.TemporaryDirectory(prefix="b4k3-export-") as folder:
        graph.save(folder)
        job = dict(format=name, graph=f"{type(graph).__module__}:{type(graph).__qualname__}")
        job.update(path=os.path.abspath(path), options=options, sys_path=sys.path)
        with open(os.path.join(folder, JOB), "w", encoding="utf-8") as file:
            json.dump(job, file)
        run_child(folder, format.backend)


def run_child(folder: str, backend: str) -> None:
    """Run the other process.

    Arguments:
        folder: str. The folder with the graph and the job.
        backend: str. The backend of Keras 3.

    Raises:
        ConfigError: the process failed.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    variables = dict(os.environ, KERAS_BACKEND=backend, PYTHONPATH=paths, CUDA_VISIBLE_DEVICES="-1")
    variables.pop("TF_KERAS", None)
    command = [sys.executable, "-m", __name__, folder]
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()
        raise ConfigError(f"the process on the backend {backend} could not write the graph:\n{said[-2000:]}")


def main(folder: str) -> None:
    """Do the job of the other process.

    Arguments:
        folder: str. What `write_somewhere` filled.
    """
    with open(os.path.join(folder, JOB), encoding="utf-8") as file:
        job = json.load(file)
    module, _, name = job["graph"].partition(":")
    graph = getattr(importlib.import_module(module), name).load(folder)
    write(job["format"], graph, job["path"], **job["options"])


if __name__ == "__main__":
    main(sys.argv[1])
