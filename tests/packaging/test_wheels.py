"""Each wheel builds, installs without the others' source in a fresh environment, and works."""

import os
import re
import shutil
import subprocess
import zipfile

import pytest

from support.workspace import FRAMEWORKS, PACKAGES, PYTHONS, ROOT, folder

OLDEST_AND_NEWEST = (PYTHONS[0], PYTHONS[-1])
# On these, one environment holds all the wheels. Python 3.14 is tested where it is installed.
OTHERS = PYTHONS[1:-1] + (("3.14",) if shutil.which("python3.14") else ())
# extra -> (a Python that can have it, what it must bring)
EXTRAS = {
    "jax": ("3.13", "keras==3. jax==0."),
    "torch": ("3.11", "keras==3. torch==2."),
    "tensorflow": ("3.11", "keras==3. tensorflow==2."),
    "tf-keras": ("3.11", "tf-keras==2. tensorflow==2."),
    "tf2": ("3.11", "keras==2.15 tensorflow==2.15"),
    "tf1": ("3.7", "keras==2.3.1 tensorflow==1.15.5 protobuf==3.20"),
}
ALONE = """
import importlib.util, b4k3
assert [path for path in b4k3.__path__ if "site-packages" in path] == list(b4k3.__path__), b4k3.__path__
assert not [name for name in ("numpy", "sentencepiece") if importlib.util.find_spec(name)]
"""
# What a package does with no Keras installed.
USE = {
    "models": """
import numpy as np
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
saved = {"bert/pooler/dense/kernel": np.arange(6, dtype="float32").reshape(2, 3)}
for path, format in (("model.ckpt", "tf"), ("model.safetensors", "safetensors")):
    save_checkpoint(path, saved, format=format)
    saved = open_checkpoint(path)
    assert saved["bert/pooler/dense/kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]
""",
    "tokenizers": """
from b4k3.tokenizers import Tokenizer
tokens = "[PAD] [UNK] [CLS] [SEP] un ##aff ##able \u8bed".split()
tokenizer = Tokenizer({token: i for i, token in enumerate(tokens)}, do_lower_case=True)
assert list(tokenizer.encode("Unaffable \u8bed!")[0]) == [2, 4, 5, 6, 7, 1, 3]
import sys
from b4k3.tokenizers import BpeTokenizer
assert "regex" not in sys.modules
assert BpeTokenizer({"a": 0, "b": 1, "ab": 2}, [("a", "b")]).encode("abb")[0] == [2, 1]
""",
}


def probe(package):
    """The code that tries an installed package."""
    return f"""
import importlib, sys
module = importlib.import_module("b4k3.{package}")
assert module.__version__ and "site-packages" in module.__file__
{USE.get(package, "")}
loaded = {{name.split(".")[0] for name in sys.modules}}
assert not loaded & {FRAMEWORKS!r}, loaded
"""


def uv(*arguments, **options):
    result = subprocess.run(
        [os.environ.get("HATCH_UV", "uv")] + [str(a) for a in arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """A folder with the wheels of all packages, built by way of their sdists."""
    path = tmp_path_factory.mktemp("dist")
    for package in ("",) + PACKAGES:
        uv("build", "--quiet", folder(package), "--out-dir", path)
    return path


def wheel(dist, name):
    (path,) = dist.glob(name.replace("-", "_") + "-*.whl")
    return path


def test_every_wheel_leaves_the_namespace_open(dist):
    for package in PACKAGES:
        names = zipfile.ZipFile(wheel(dist, "b4k3-" + package)).namelist()
        assert "b4k3/__init__.py" not in names
        assert f"b4k3/{package}/py.typed" in names
        assert {name.split("/")[1] for name in names if name.startswith("b4k3/")} == {package}
        assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_metapackage_has_no_code(dist):
    assert all(".dist-info/" in name for name in zipfile.ZipFile(wheel(dist, "b4k3")).namelist())


def fresh_environment(path, python, *requirements):
    """A new environment with these packages and what they need: its interpreter."""
    uv("venv", "--quiet", "--python", python, path)
    interpreter = path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    uv("pip", "install", "--python", interpreter, *requirements)
    return str(interpreter)


def run(interpreter, *arguments, cwd):
    """Run an interpreter that finds only what is installed for it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYT")}
    subprocess.run([interpreter, *arguments], cwd=str(cwd), env=clean, check=True)


@pytest.mark.parametrize("python", OLDEST_AND_NEWEST)
@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_installs_alone_and_works(dist, tmp_path, package, python):
    own = wheel(dist, "b4k3-" + package)
    interpreter = fresh_environment(tmp_path / "venv", python, "--find-links", dist, own)
    run(interpreter, "-c", probe(package), cwd=tmp_path)


@pytest.mark.parametrize("python", OTHERS)
def test_all_wheels_install_together_and_work(dist, tmp_path, python):
    interpreter = fresh_environment(tmp_path / "venv", python, "--find-links", dist, wheel(dist, "b4k3"))
    for package in PACKAGES:
        run(interpreter, "-c", probe(package), cwd=tmp_path)


# The default environment, which is nearer to the newest Python than to the oldest, runs the others.
FOR_NEWEST = [
    f"tests/tokenizers/test_{name}.py"
    for name in ("base", "bpe_tokenizer", "cli", "encoding", "opening", "sp_tokenizer", "vocab", "wordpiece")
]


@pytest.mark.parametrize("python", OLDEST_AND_NEWEST)
def test_tokenizers_alone_pass_their_tests(dist, tmp_path, python):
    """Without numpy, a framework or another package of ours; the wheel itself needs `regex` alone."""
    own = wheel(dist, "b4k3-tokenizers")
    interpreter = fresh_environment(tmp_path / "venv", python, own)
    uv("pip", "install", "--python", interpreter, "pytest")
    run(interpreter, "-c", ALONE, cwd=tmp_path)
    tests = ["tests/tokenizers"] if python == OLDEST_AND_NEWEST[0] else FOR_NEWEST
    run(interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, cwd=ROOT)


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_metapackage_forwards_the_extra(dist, extra):
    python, wanted = EXTRAS[extra]
    requirement = f"b4k3[{extra}] @ {wheel(dist, 'b4k3').as_uri()}"
    resolved = uv(
        "pip", "compile", "-", "--no-annotate", "--no-header", "--python-version", python, "--find-links", dist,
        input=requirement,
    )  # fmt: skip
    for start in wanted.split():
        assert re.search("^" + re.escape(start), resolved, re.M), resolved
    assert all(f"b4k3-{package}==" in resolved for package in PACKAGES)
