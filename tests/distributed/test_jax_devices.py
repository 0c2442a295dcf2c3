"""The short form of `jax_devices.py`: rows and weights are shared by two processes with two virtual devices each."""

import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).with_name("jax_devices.py")


def test_several_devices_do_what_one_does():
    command = [sys.executable, str(SCRIPT), "both-processes"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode("utf-8")[-4000:]
