"""Train on two ranks of torch by plain `fit`, and compare with one process on the same global batches.

    KERAS_BACKEND=torch python tests/distributed/torch_ranks.py            every case, a table
    KERAS_BACKEND=torch python tests/distributed/torch_ranks.py --cases classifier refusals --ranks 3

13 rows, all different, make batches of 5, 5 and 3, which no number of ranks divides. Dropout is 0; rows are shuffled.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1])]

from support.ranks import run_ranks  # noqa: E402

GOLDEN = HERE.parents[1] / "golden"
EPOCHS, ROWS, BATCH = 3, 13, 5


def data(rows=ROWS):
    rng = np.random.RandomState(0)
    ids = rng.randint(5, 120, (rows, 12))
    ids[::3, 8:] = 0
    return [ids, np.zeros_like(ids)], rng.randint(0, 3, (rows,))


def bert(**kwargs):
    from b4k3.models import build_transformer_model

    folder, rate = GOLDEN / "google_bert", kwargs.pop("dropout", 0)
    return build_transformer_model(
        str(folder / "bert_config.json"),
        str(folder / "bert_model.ckpt"),
        model="bert",
        num_hidden_layers=1,
        hidden_dropout_prob=rate,
        attention_probs_dropout_prob=rate,
        **kwargs,
    )


def language_model():
    from b4k3.models import build_transformer_model

    folder = GOLDEN / "gpt2_ml"
    files = str(folder / "config.json"), str(folder / "model.ckpt-100000")
    return build_transformer_model(*files, model="gpt2_ml", return_keras_model=False)


def classifier(network, **kwargs):
    from b4k3.backend import keras
    from b4k3.layers import FirstToken

    start = keras.initializers.RandomNormal(stddev=0.1, seed=3)
    head = keras.layers.Dense(3, activation="softmax", kernel_initializer=start, **kwargs)
    return keras.Model(network.inputs, head(FirstToken()(network.output)))


def answers(model, x, y, **kwargs):
    """Fit, evaluate and predict as any script does."""
    history = model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0, **kwargs)
    evaluated = model.evaluate(x, y, batch_size=BATCH, verbose=0)
    found = {key: np.array(value) for key, value in history.history.items()}
    found.update(evaluated=np.array(evaluated), predicted=model.predict(x, batch_size=BATCH, verbose=0))
    found["weights"] = np.concatenate([w.ravel() for w in model.get_weights() if w.dtype != "uint32"])
    return found


# ---------------------------------------------------------------------------------------------------------- cases


def of_classifier(parallel, folder):
    """A regularizer, weights of rows, metrics, callbacks and our optimizer."""
    from b4k3.backend import keras
    from b4k3.optimizers import Adam, extend_with_weight_decay

    keras.utils.set_random_seed(1)
    x, y = data()
    model = parallel(classifier(bert(), kernel_regularizer=keras.regularizers.L2(0.01)))
    optimizer = extend_with_weight_decay(Adam, "AdamW")(1e-3, epsilon=1e-3)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    path = os.path.join(folder, "best.weights.h5")
    callbacks = [
        keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True, save_weights_only=True),
        keras.callbacks.ReduceLROnPlateau(patience=1),
    ]
    weights = np.linspace(0.5, 2, ROWS)
    found = answers(model, x, y, sample_weight=weights, validation_data=data(7), callbacks=callbacks)
    model.save(os.path.join(folder, "whole.keras"))
    loaded = keras.saving.load_model(os.path.join(folder, "whole.keras"))
    found["loaded"] = loaded.predict(x, verbose=0)
    found["steps"] = np.array(int(loaded.optimizer.iterations))
    model.load_weights(path)
    found["best"] = model.predict(x, batch_size=2, verbose=0)  # the last batch has one row, of which a rank has none
    return found


def of_masked_tokens(parallel, folder):
    """A loss over tokens whose mask comes from the padding: the mean over tokens, which no mean over ranks is."""
    from b4k3.backend import keras

    keras.utils.set_random_seed(2)
    x, _ = data()
    model = parallel(bert(with_mlm="linear"))
    model.compile(
        optimizer=keras.optimizers.SGD(0.01), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return answers(model, x, x[0])


def of_loss_layer(parallel, folder):
    """The loss of a layer, as scripts of bert4keras have it, with a mean over what is not padding."""
    from b4k3.backend import keras, ops
    from b4k3.layers import Loss

    class OfTokens(Loss):
        def compute_loss(self, inputs, mask=None):
            ids, logits = inputs
            weights = ops.cast(ids > 0, "float32")
            losses = ops.sparse_categorical_crossentropy(ids, logits, from_logits=True) * weights
            self.add_metric(ops.sum(weights), name="tokens")
            return ops.sum(losses) / ops.sum(weights)

    keras.utils.set_random_seed(3)
    network = bert(with_mlm="linear")
    outputs = OfTokens(output_axis=1)([network.inputs[0], network.output])
    model = parallel(keras.Model(network.inputs, outputs))
    model.compile(optimizer=keras.optimizers.Adam(1e-3, epsilon=1e-3))
    x, _ = data()
    return answers(model, x, None)


def of_generator(parallel, folder):
    """Batches of a DataGenerator, shuffled by numpy."""
    from b4k3.backend import keras
    from b4k3.snippets import DataGenerator, sequence_padding

    class Batches(DataGenerator):
        def __iter__(self, random=False):
            rows = []
            for is_end, row in self.sample(random):
                rows.append(row)
                if len(rows) == self.batch_size or is_end:
                    ids = sequence_padding([ids for ids, _ in rows])
                    yield [ids, np.zeros_like(ids)], np.array([label for _, label in rows])
                    rows = []

    keras.utils.set_random_seed(4)
    (ids, _), y = data()
    batches = Batches([(row[row > 0], label) for row, label in zip(ids, y)], BATCH)
    model = parallel(classifier(bert()))
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy")
    history = model.fit(batches.forfit(), steps_per_epoch=len(batches), epochs=EPOCHS, verbose=0)
    return {
        "loss": np.array(history.history["loss"]),
        "weights": np.concatenate([w.ravel() for w in model.get_weights()]),
    }


def of_generation(parallel, folder):
    """`generate` of a model that ranks train, after a step."""
    from b4k3.backend import keras

    transformer = language_model()
    model = parallel(transformer.model)
    ids = np.random.RandomState(1).randint(5, 50, (5, 6))
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy")
    model.fit(ids, ids, batch_size=5, epochs=1, verbose=0)
    return {"generated": transformer.generate([[7, 8, 9, 10], [11, 12]], max_new_tokens=5)}


def of_dropout(parallel, folder):
    """With dropout the ranks stay equal, and shuffle alike; one process draws other numbers, so it is not compared."""
    from b4k3.backend import keras

    keras.utils.set_random_seed(5)
    x, y = data()
    model = parallel(classifier(bert(dropout=0.2)))
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy")
    return answers(model, x, y)


def of_bfloat16(parallel, folder):
    """Mixed precision, in which results differ by the rounding of bfloat16 where rows are computed in other batches."""
    from b4k3.backend import keras

    keras.utils.set_random_seed(6)
    keras.config.set_dtype_policy("mixed_bfloat16")
    x, y = data()
    model = parallel(classifier(bert(), dtype="float32"))
    keras.config.set_dtype_policy("float32")
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy")
    return answers(model, x, y)


CASES = {
    "classifier": of_classifier,
    "masked_tokens": of_masked_tokens,
    "loss_layer": of_loss_layer,
    "generator": of_generator,
    "generation": of_generation,
    "dropout": of_dropout,
    "bfloat16": of_bfloat16,
}


# ------------------------------------------------------------------------------------------------------- refusals


def refusals(rank):
    """{what was tried: the error}; '' where there was none"""
    import torch

    from b4k3.backend import keras
    from b4k3.models.distribution import distributed_data_parallel as parallel

    x, y = data()
    settings = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}
    found = {}

    def attempt(name, action):
        try:
            action()
            found[name] = ""
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"

    plain = classifier(bert())
    plain.compile(**settings)
    before = plain.get_weights()
    attempt("fit", lambda: plain.fit(x, y, verbose=0))
    attempt("train_on_batch", lambda: plain.train_on_batch(x, y))
    assert all((a == b).all() for a, b in zip(before, plain.get_weights()))
    attempt("evaluate", lambda: plain.evaluate(x, y, verbose=0))

    own_loop = torch.nn.parallel.DistributedDataParallel(classifier(bert()))
    attempt("own loop", lambda: own_loop(x, training=True).sum().backward())

    model = parallel(classifier(bert()))
    model.compile(**settings)
    other = [part + rank for part in x]
    attempt("other rows", lambda: model.fit(other, y, verbose=0))
    attempt("other targets", lambda: model.fit(x, (y + rank) % 3, verbose=0))
    attempt("jit_compile", lambda: model.compile(jit_compile=True, **settings))

    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    attempt("train_step", lambda: parallel(Own(plain.inputs, plain.outputs)))
    hidden = keras.layers.BatchNormalization()(plain.output)
    attempt("batch normalization", lambda: parallel(keras.Model(plain.inputs, hidden)))

    class Adds(keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(keras.ops.mean(inputs))
            return inputs

    adds = parallel(keras.Model(plain.inputs, Adds()(plain.output)))
    adds.compile(**settings)
    attempt("add_loss", lambda: adds.fit(x, y, verbose=0))

    sharded = classifier(bert())
    sharded.compile(**settings)
    torch.distributed.fsdp.fully_shard(sharded)
    attempt("fully_shard", lambda: sharded.fit(x, y, verbose=0))
    attempt("fully_shard, called", lambda: sharded(x))
    return {key: np.array(value) for key, value in found.items()}


# ------------------------------------------------------------------------------------------------------ processes


def child(cases, folder):
    """What one process does: all cases, with the wrapper if it is one of several ranks."""
    import torch

    from b4k3.models.distribution import distributed_data_parallel, init_process_group

    torch.set_num_threads(1)
    rank, ranks = init_process_group()
    found = {}
    for case in cases:
        own = os.path.join(folder, f"{case}-{ranks}")  # one folder for all ranks, of which one writes
        os.makedirs(own, exist_ok=True)
        if case == "refusals":
            results = refusals(rank) if ranks > 1 else {}
        else:
            results = CASES[case](distributed_data_parallel, own)
        found.update({f"{case}:{key}": value for key, value in results.items()})
    if ranks > 1:
        torch.distributed.destroy_process_group()
    return found


def compare(cases, ranks=2, timeout=600):
    """({"rank case:value": greatest difference from one process, by the greatest number}, the refusals of each rank)"""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(HERE), "--cases", *cases, "--folder", folder]
        compared = [case for case in cases if case != "refusals"]
        one = run_ranks([command], folder, timeout) if compared else [{}]
        found = run_ranks([command] * ranks, folder, timeout)
    differences = {}
    for rank, results in enumerate(found):
        for key, value in results.items():
            case = key.partition(":")[0]
            if case != "refusals":
                wanted = found[0][key] if case == "dropout" else one[0][key]
                difference = np.abs(np.asarray(value, "float64") - wanted).max()
                differences[f"{rank} {key}"] = float(difference / max(1, np.abs(wanted).max()))
    errors = [{k.partition(":")[2]: str(v) for k, v in each.items() if k.startswith("refusals")} for each in found]
    return differences, errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=[*CASES, "refusals"], choices=[*CASES, "refusals"])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=600, help="seconds")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.folder:  # one of the processes
        np.savez(os.environ["RANKS_OUTPUT"], **child(asked.cases, asked.folder))
    else:
        differences, errors = compare(asked.cases, asked.ranks, asked.timeout)
        for key, value in differences.items():
            print(f"{key:40} {value:.1e}")
        for rank, found in enumerate(errors):
            for key, value in found.items():
                print(f"{rank} {key}: {value or 'runs'}")
