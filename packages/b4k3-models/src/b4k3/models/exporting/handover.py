"""Give graphs to a process that runs Keras on another backend, and take the files that it wrote.

The graphs of one export are of one model, an encoder and the two steps of its decoder for instance. So the model is
saved once, and one process writes all of them.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from typing import Any, Mapping, Sequence

from b4k3.backend import environment

from ..errors import ConfigError
from .formats import Format
from .handed_model import has_lora
from .writing import write

JOB = "job.json"


def write_somewhere(name: str, format: Format, graphs: Mapping[str, Any], **options: Any) -> None:
    """Write graphs here if Keras runs on the backend that traces their format, and otherwise in another process.

    A saved model has the products of LoRA in its kernels. So a model with LoRA is saved too, and its copy is written.

    Arguments:
        name: str. The name of the format.
        format: `Format`.
        graphs: dict from the file or folder to write to an object with `inputs`, `outputs`, `layers`, `limits`,
            `metadata`, `save`, `load` and a call, as `ModelGraph` has. They are graphs of one model.
        options: further arguments of `write`.

    Raises:
        ConfigError: a graph cannot be handed over, or the other process failed; the message has its reason.
    """
    if not environment.is_keras3:
        raise ConfigError(
            f"format={name!r} is traced by Keras 3, and this is {environment}; save the weights and export them in an "
            "environment with Keras 3: `b4k3 export FOLDER OUT` does it straight from a checkpoint"
        )
    is_here = environment.backend == format.backend
    if is_here and not any(map(has_lora, list(graphs.values())[0].layers)):
        for path, graph in graphs.items():
            write(name, graph, path, **options)
        return
    with tempfile.TemporaryDirectory(prefix="b4k3-export-") as folder:
        save_job(folder, name, graphs, **options)
        main(folder) if is_here else run_child([folder], format.backend)


def save_job(folder: str, name: str, graphs: Mapping[str, Any], **options: Any) -> None:
    """Save what the other process needs.

    Arguments:
        folder: str. An empty folder.
        name: str. The name of the format.
        graphs: as for `write_somewhere`.
        options: further arguments of `write`.

    Raises:
        ConfigError: a graph cannot be handed over.
    """
    list(graphs.values())[0].save(folder)
    classes = {os.path.abspath(path): f"{type(g).__module__}:{type(g).__qualname__}" for path, g in graphs.items()}
    with open(os.path.join(folder, JOB), "w", encoding="utf-8") as file:
        json.dump(dict(format=name, graphs=classes, options=options), file)


def run_child(folders: Sequence[str], backend: str) -> None:
    """Run the other process.

    Arguments:
        folders: list of str. What `save_job` filled.
        backend: str. The backend of Keras 3.

    Raises:
        ConfigError: the process failed.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    variables = dict(os.environ, KERAS_BACKEND=backend, PYTHONPATH=paths, CUDA_VISIBLE_DEVICES="-1")
    variables.pop("TF_KERAS", None)
    command = [sys.executable, "-m", __name__, *folders]
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()
        raise ConfigError(f"the process on the backend {backend} could not write the file:\n{said[-2000:]}")


def main(*folders: str) -> None:
    """Do jobs, in the other process.

    Arguments:
        folders: str. What `save_job` filled.
    """
    for folder in folders:
        with open(os.path.join(folder, JOB), encoding="utf-8") as file:
            job = json.load(file)
        for path, target in job["graphs"].items():
            module, _, name = target.partition(":")
            graph = getattr(importlib.import_module(module), name).load(folder)
            write(job["format"], graph, path, **job["options"])


if __name__ == "__main__":
    main(*sys.argv[1:])
