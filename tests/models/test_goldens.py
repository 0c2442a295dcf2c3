"""Every system against the outputs of its authors' code, layer by layer; padding; training; saving."""

import re
import subprocess
import sys

import numpy as np
import pytest

from b4k3.backend import keras, row
from b4k3.models import CheckpointError
from support import goldens, harness

SYSTEMS = sorted(goldens.systems())
SUFFIX = harness.whole_model_suffix()


@pytest.fixture(scope="class", autouse=True)
def fresh_session():
    goldens.forget()
    yield
    goldens.forget()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the models of all systems are saved for the one child process that reloads them."""
    return tmp_path_factory.mktemp("saved")


@pytest.mark.parametrize("system", SYSTEMS, scope="class")
class TestSystem:
    """In the order of the systems, so that one of them is in memory at a time."""

    @pytest.fixture(scope="class", autouse=True)
    def leave(self, system):
        yield
        goldens.forget()

    def test_outputs_and_padding(self, system):
        for case in goldens.joined(goldens.systems()[system]):
            for batch, probe in goldens.probes(goldens.built(case), case):
                check_batch(case, batch, probe)

    def test_the_architecture_is_recognised(self, system):
        """What all tests of the system run is what `model='auto'` builds."""
        case = goldens.first_case(system)
        assert goldens.built(case).model_key == case["build"]["model"]

    def test_what_the_file_lacks_is_said(self, system):
        for case in goldens.systems()[system]:
            if "expect_error" in case:
                with pytest.raises(CheckpointError) as e:
                    goldens.build(case)
                assert re.search(case["error_mentions"], str(e.value)), case["case"]
                assert case["checkpoint"].split("/")[-1] in str(e.value)

    def test_save(self, system, folder):
        save(system, folder)

    def test_training_lowers_the_loss(self, system):
        """Some steps towards outputs of 1, with the dropout of the config. RMS normalisation keeps away from 0.
        The last test of a system, whose model has other weights afterwards."""
        case = goldens.first_case(system)
        model = goldens.built(case).model
        inputs = goldens.inputs_of(goldens.arrays(case), case["batches"][0])
        targets = [np.ones_like(x) for x in harness.answer(model, inputs)]
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        losses = [harness.train(model, harness.unwrapped(inputs), harness.unwrapped(targets)) for _ in range(20)]
        assert losses[-1] < 0.9 * losses[0], losses


def check_batch(case, batch, probe):
    z = goldens.arrays(case)
    inputs = goldens.inputs_of(z, batch)
    outputs = probe(inputs)
    for entry, got in zip(batch["compare"], outputs):
        error, tolerance = goldens.difference(z, entry, got)
        assert error <= tolerance, (case["case"], entry["key"], entry.get("index"))
    for extra in goldens.PADDING if batch.get("pad") else ():
        for entry, before, after in zip(batch["compare"], outputs, probe(goldens.padded(inputs, extra))):
            moved = goldens.movement(z, entry, before, after)
            assert moved <= case.get("pad_rtol", goldens.PAD_RTOL), (case["case"], entry["key"], extra)


def save(system, folder):
    """The whole model, its weights, and what it answers to its inputs."""
    case = goldens.first_case(system)
    batch = case["batches"][0]
    model = goldens.built(case).model
    inputs = goldens.inputs_of(goldens.arrays(case), batch)
    name = str(folder / system)
    model.save(name + SUFFIX)
    model.save_weights(name + ".weights.h5")
    saved = {f"input{i}": x for i, x in enumerate(inputs)}
    saved.update({f"output{i}": x for i, x in enumerate(goldens.predict(model, inputs))})
    np.savez(name + ".npz", **saved)


def test_weights_and_models_survive_a_new_process(folder):
    """One child process loads what `test_save` saved, and compares; without it, the first system."""
    if not (folder / (SYSTEMS[0] + ".npz")).exists():
        save(SYSTEMS[0], folder)
        goldens.forget()
    child = [sys.executable, "-m", "support.reloading", str(folder), SUFFIX]
    done = subprocess.run(
        child, cwd=str(goldens.ROOT.parent), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{len(list(folder.glob('*.npz')))} systems reloaded" in done.stdout


def test_two_lengths_and_batch_sizes_in_one_process():
    """Two models, each with two shapes, answer in turn and stay right."""
    cases = [goldens.first_case(system) for system in ("google_bert", "zhuiyi_roberta")]
    for case in cases + cases[::-1]:
        z = goldens.arrays(case)
        for size, (batch, probe) in zip((3, 2), goldens.probes(goldens.built(case), case)):
            outputs = probe([x[:size] for x in goldens.inputs_of(z, batch)])
            for entry, got in zip(batch["compare"], outputs):
                want = np.asarray(z[entry["key"]])
                want = (want[entry["index"]] if "index" in entry else want)[:size]
                mask = np.asarray(z[entry["mask"]])[:size].astype(bool)
                assert np.abs(got - want)[mask].max() <= entry["atol"] + entry["rtol"] * np.abs(want).max()


def test_no_tensorflow_where_another_backend_is_chosen():
    """Loading a TensorFlow checkpoint needs no TensorFlow."""
    goldens.built(goldens.first_case("google_bert"))
    assert row.backend == "tensorflow" or "tensorflow" not in sys.modules
