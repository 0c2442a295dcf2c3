"""Kill -9 at random points of `convert`, `features` and the writers of vocabularies: what is left is old or new, whole.

Each trial forks a process that has everything imported, so that it writes at once. Half of the processes are killed
after a random time, half at a random one of the calls that touch files, counted with a profile function, so that the
moments between two renames are met as often as those inside a long copy.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "google_bert"
TOUCHING = set("close fsync flush link mkdir open rename replace rmdir truncate unlink write".split())


def measure(short: bool) -> list[tuple[str, str, bool]]:
    """Run all trials in a process of their own, which has no threads, so that it can fork."""
    if not hasattr(os, "fork"):
        return [("kills -9", "not measured: this system does not fork", True)]
    environment = dict(os.environ, KERAS_BACKEND="numpy")
    command = [sys.executable, "-W", "ignore", __file__, "short" if short else "long"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return [("kills -9", f"the trials ended with status {done.returncode}", False)]
    return [tuple(row) for row in json.loads(done.stdout.splitlines()[-1])]


# ------------------------------------------------------------------------------------------------- what is written


class Kind:
    """One kind of output.

    Arguments:
        name: for the table.
        arguments: of the command, with SOURCE and TARGET to be filled in; or a function of the two.
        target: name of what is written.
        look: function of the path of the target that returns its content, to be compared.
    """

    def __init__(self, name, arguments, target, look):
        self.name, self.arguments, self.target, self.look = name, arguments, target, look

    def run(self, source, target):
        """Write the target. Returns the exit code."""
        if callable(self.arguments):
            self.arguments(source, target)
            return 0
        from b4k3.models.cli import main

        places = {"SOURCE": source, "TARGET": target, "LINES": os.path.join(source, "lines.txt")}
        return main([places.get(word, word) for word in self.arguments.split()])


def arrays(path):
    """{name: checksum} of a checkpoint; None if there is none."""
    from b4k3.models.checkpoints import open_checkpoint

    try:
        with open_checkpoint(path, verify=True) as checkpoint:
            return {name: zlib.crc32(np.ascontiguousarray(checkpoint[name])) for name in checkpoint}
    except FileNotFoundError:
        return None


def folder(path):
    """The checkpoint of a folder, and the bytes of what lies beside it; None without the folder."""
    if not os.path.isdir(path):
        return None
    texts = [name for name in sorted(os.listdir(path)) if name.endswith((".txt", "config.json"))]
    return [arrays(path)] + [(name, Path(path, name).read_bytes()) for name in texts]


def keras_file(path):
    """{name: checksum} of the arrays in a file that Keras wrote."""
    import h5py

    if not os.path.exists(path):
        return None
    found = {}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            path = io.BytesIO(archive.read("model.weights.h5"))

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = zlib.crc32(np.ascontiguousarray(item))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def content(path):
    return Path(path).read_bytes() if os.path.exists(path) else None


def save_tokens(source, target):
    from b4k3.tokenizers import load_vocab, save_vocab

    save_vocab(target, load_vocab(os.path.join(source, "vocab.txt")))


def save_json(source, target):
    from b4k3.tokenizers import Tokenizer, save_tokenizer_json

    save_tokenizer_json(target, Tokenizer(os.path.join(source, "vocab.txt"), do_lower_case=True))


KINDS = [
    Kind("convert to .npz", "convert SOURCE TARGET --force", "x.npz", arrays),
    Kind("convert to .safetensors", "convert SOURCE TARGET --force", "x.safetensors", arrays),
    Kind(
        "convert to shards",
        "convert SOURCE TARGET --force --max-shard-size 30KB",
        "x.safetensors",
        lambda path: arrays(path + ".index.json"),
    ),
    Kind("convert to .ckpt", "convert SOURCE TARGET --force", "x.ckpt", arrays),
    Kind("convert to a folder", "convert SOURCE TARGET --to huggingface --force", "x", folder),
    Kind("convert to a folder, TF", "convert SOURCE TARGET --to google --force", "x", folder),
    Kind("features to .npy", "features SOURCE LINES --output TARGET --window 8 --quiet", "x.npy", content),
    Kind("features to .jsonl", "features SOURCE LINES --output TARGET --window 8 --quiet", "x.jsonl", content),
    Kind("save_vocab", save_tokens, "vocab.txt", content),
    Kind("save_tokenizer_json", save_json, "tokenizer.json", content),
]
KERAS_KINDS = [
    Kind("convert to .weights.h5", "convert SOURCE TARGET --force", "x.weights.h5", keras_file),
    Kind("convert to .keras", "convert SOURCE TARGET --force", "x.keras", keras_file),
    Kind("convert to .h5", "convert SOURCE TARGET --force", "x.h5", keras_file),
]


def make_source(path, factor):
    """A copy of a small BERT with other weights, another config and another vocabulary."""
    from b4k3.models.checkpoints import open_checkpoint, save_checkpoint

    shutil.copytree(str(GOLDEN), path)
    with open_checkpoint(path) as checkpoint:
        tensors = {name: checkpoint[name] * np.asarray(factor, checkpoint.dtype(name)) for name in checkpoint}
    save_checkpoint(os.path.join(path, "bert_model.ckpt"), tensors)
    config = json.loads(Path(path, "bert_config.json").read_text())
    Path(path, "bert_config.json").write_text(json.dumps(dict(config, hidden_dropout_prob=0.1 * factor)))
    lines = Path(path, "vocab.txt").read_bytes().split(b"\n")
    lines[90] += b"x" * factor
    Path(path, "vocab.txt").write_bytes(b"\n".join(lines))
    Path(path, "lines.txt").write_text("".join(f"line {i} of {factor}\n" for i in range(100)))


class StandIn:
    """In place of a network, which would take seconds to build: the vector of a line is made of its ids."""

    size = 3

    def __init__(self, *arguments):
        pass

    def vectors(self, rows):
        return np.array([[len(row), sum(row), row[-2]] for row in rows], dtype="float32")


# ------------------------------------------------------------------------------------------------------- trials


def child(kind, source, target, at=None):
    """Fork a process that writes the target. Arguments: at: the call at which it kills itself. Returns: its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        left = [at]

        def count(frame, event, function):
            if event in ("c_call", "c_return") and getattr(function, "__name__", "") in TOUCHING:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        if at is not None:
            sys.setprofile(count)
        status = kind.run(source, target)
        sys.setprofile(None)
        if at is not None and at < 0:  # a dry run: say how many calls there are
            Path(target + ".calls").write_text(str(at - left[0]))
    finally:
        os._exit(status)


def finished(kind, source, target, at=None):
    """Whether a process that nobody kills ends well."""
    return os.waitpid(child(kind, source, target, at), 0)[1] == 0


def trials(kind, count, sources, work, chance):
    """(trials that left something else than old or new, number killed in the middle, what was wrong in the first)."""
    reference = os.path.join(work, kind.target)
    assert finished(kind, sources[0], reference, -1)
    calls = int(Path(reference + ".calls").read_text())
    os.unlink(reference + ".calls")
    begin = time.time()
    new = os.path.join(work, "new")
    os.mkdir(new)
    assert finished(kind, sources[1], os.path.join(new, kind.target))
    duration = time.time() - begin
    states = [kind.look(reference), kind.look(os.path.join(new, kind.target))]
    assert states[0] and states[1] and states[0] != states[1]
    bad, killed, first, place = 0, 0, "", os.path.join(work, "place")
    for number in range(count):
        there = number % 4 != 3  # three of four replace an old one
        os.mkdir(place)
        target = os.path.join(place, kind.target)
        for name in os.listdir(work) if there else ():
            if name.startswith(kind.target.split(".")[0]):
                copy(os.path.join(work, name), os.path.join(place, name))
        timed = number % 2
        pid = child(kind, sources[1], target, None if timed else chance.randrange(1, calls + 1))
        if timed:
            time.sleep(chance.random() * duration)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        problem = examine(kind, sources[1], target, [states[0] if there else None, states[1]])
        if problem:
            bad, first = bad + 1, first or f"{problem} (trial {number})"
        shutil.rmtree(place)
    return bad, killed, first


def copy(source, target):
    (shutil.copytree if os.path.isdir(source) else shutil.copyfile)(source, target)


def examine(kind, source, target, allowed):
    """What is wrong with what a killed process left, a sentence, or None."""
    try:
        found = kind.look(target)
    except Exception as error:
        return f"it cannot be read: {type(error).__name__}: {error}"
    if found not in allowed:
        return "it is neither the old nor the new one"
    if not finished(kind, source, target):
        return "the next run fails"
    if kind.look(target) != allowed[1]:
        return "the next run gives something else"
    place = os.path.dirname(target)
    rubbish = [name for _, folders, names in os.walk(place) for name in folders + names if name.startswith(".b4k3")]
    rubbish += [name for name in os.listdir(place) if ".part" in name]
    return f"{rubbish} is left after the next run" if rubbish else None


def everything(short):
    """The rows of the table."""
    from b4k3.models.cli import features, keras_files

    features.Model = StandIn
    rows, kinds = [], list(KINDS)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where fsync takes no time
    with tempfile.TemporaryDirectory(dir=memory) as work:
        sources = [os.path.join(work, name) for name in ("source1", "source2")]
        for number, path in enumerate(sources, 1):
            make_source(path, number)
        if not short:
            kinds += KERAS_KINDS
            built, build = {}, keras_files.build
            keras_files.build = lambda arguments, heads: built[arguments["checkpoint_path"].path]
            from b4k3.models.cli.subject import Subject

            for path in sources:
                source = Subject(path)
                built[source.checkpoint.path] = build(source.arguments, "pool,nsp,mlm")
        chance = random.Random(0)
        for kind in kinds:
            place = tempfile.mkdtemp(dir=work)
            begin = time.time()
            bad, killed, first = trials(kind, 6 if short else 200, sources, place, chance)
            figure = f"{killed} killed in the middle, {bad} left neither old nor new, {time.time() - begin:.0f} s"
            rows.append((f"kill -9, {kind.name}", figure + (f": {first}" if first else ""), not bad))
            print(*rows[-1], file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    print(json.dumps(everything(sys.argv[1] == "short")))
