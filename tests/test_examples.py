"""Every example runs, quickly, and finds that it learned what it should: it ends with an error otherwise."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
HELPERS = ("common",)
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem not in HELPERS)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """That of the row, with a place where the examples leave compiled code for each other if it has none."""
    env = dict(os.environ, PYTHONIOENCODING="utf-8", PYTHONWARNINGS="ignore")
    env.setdefault("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    env.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    env.update(OMP_NUM_THREADS="1")  # threads cost tiny models more than they bring
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example, environment):
    command = [sys.executable, str(ROOT / "examples" / (example + ".py")), "--quick"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    assert done.returncode == 0, done.stdout.decode("utf-8")[-3000:]


def test_a_wrong_result_is_an_error(environment):
    code = "import common; common.check('accuracy', 0.5, above=0.6)"
    command, folder = [sys.executable, "-c", code], str(ROOT / "examples")
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True)
    assert done.returncode == 1 and b"accuracy is wrong" in done.stderr
