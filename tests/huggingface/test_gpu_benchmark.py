"""The benchmark for a GPU runs, small, on the CPU, and its contenders answer alike."""

import json
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def test_the_small_form(tmp_path):
    command = [sys.executable, str(SCRIPT), "--small", "--only", "transformers,b4k3-torch"]
    done = subprocess.run(command + ["--json", str(tmp_path / "found.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["fine"] and set(found["results"]) == {"transformers", "b4k3-torch"}
    assert all(result["rate"] > 0 for results in found["results"].values() for result in results.values())
