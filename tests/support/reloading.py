"""The child process of `test_goldens`: loads what the parent saved, and compares outputs.

python -m support.reloading FOLDER SUFFIX_OF_WHOLE_MODELS
"""

from __future__ import annotations

import os
import pathlib
import sys

import numpy as np

from support import goldens
from support.harness import as_list, unwrapped
from support.skips import NOT_RELOADED


def main(folder, suffix):
    from b4k3.backend import keras
    from b4k3.layers import custom_objects

    count, unloadable = 0, NOT_RELOADED.get(os.environ.get("B4K3_ROW"), ("",))[0].split()
    for path in sorted(pathlib.Path(folder).glob("*.npz")):
        system, name = path.stem, str(path.with_suffix(""))
        case, z = goldens.first_case(system), np.load(str(path))
        inputs = [z[key] for key in sorted(z.files) if key.startswith("input")]
        wanted = [z[key] for key in sorted(z.files) if key.startswith("output")]
        try:
            model = keras.models.load_model(name + suffix, custom_objects=dict(custom_objects), compile=False)
            assert system not in unloadable, f"{system} loads: take it out of NOT_RELOADED"
        except ValueError as e:
            assert system in unloadable and "out of bounds" in str(e), (system, e)
            model = goldens.build(case).model
        compare(case, goldens.predict(model, inputs), wanted)
        predicted = model.predict(unwrapped(inputs), verbose=0)
        compare(case, as_list(predicted), wanted, 1e-5)  # compiled, it may round otherwise
        # the weights into the same model with all weights lost
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        model.load_weights(name + ".weights.h5")
        compare(case, goldens.predict(model, inputs), wanted)
        goldens.forget()
        count += 1
    print(f"{count} systems reloaded")


def compare(case, outputs, wanted, tolerance=1e-6):
    for got, want in zip(outputs, wanted):
        error = np.abs(got - want).max()
        assert error <= tolerance * np.abs(want).max(), (case["system"], error)


if __name__ == "__main__":
    main(*sys.argv[1:])
