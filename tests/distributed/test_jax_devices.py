"""The short form of `jax_devices.py`: model parallel on four virtual devices, and data parallel in two processes."""

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("jax_devices.py")


@pytest.mark.parametrize("setup", ["model-devices", "data-processes"])
def test_equal_to_one_device(setup):
    done = subprocess.run([sys.executable, str(SCRIPT), setup], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode("utf-8")[-4000:]
