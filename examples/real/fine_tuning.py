"""Fine-tune MiniLM on movie reviews in four ways, and draw how the training goes: what EMA, LLRD and FGM bring here.

    hatch run examples:fine-tuning                   the three trainings with the seeds 1, 2 and 3: minutes
    hatch run examples:fine-tuning --seeds 4 5       other seeds; their results are added to those that are there
    hatch run examples:fine-tuning --plot            docs/figures/fine-tuning.json and .png from the results

The ways differ from the first one by one thing each:

    Adam    Adam with a linear warm-up and decay
    EMA     the weights of the same training, averaged
    LLRD    each block learns slower than the block above it
    FGM     the loss is computed where the word embeddings are moved a little to increase it

The seed decides on the new layer, on dropout and on the order of the reviews; it is the same for all ways. The reviews
and the model are those of sentiment.py, but fewer, and two of its blocks. Nothing was tuned: the settings are usual
ones. Results are written to build/fine-tuning.
"""

import argparse
import json
import random
import statistics

import numpy as np
from sentiment import ROOT, english_reviews, minilm_folder

from b4k3.backend import environment, keras
from b4k3.layers import GlobalAveragePooling1D
from b4k3.models import build_transformer_model
from b4k3.optimizers import (
    Adam,
    adversarial_training,
    extend_with_exponential_moving_average,
    extend_with_lr_schedule,
    extend_with_parameter_wise_lr,
    layer_wise_rates,
    warmup_linear,
)
from b4k3.tokenizers import Tokenizer

RESULTS, FIGURE = ROOT / "build" / "fine-tuning", ROOT / "docs" / "figures" / "fine-tuning.png"
BLOCKS, MAXLEN, RATE = 2, 24, 1e-4
TRAINED, TESTED, BATCH_SIZE, EPOCHS = 320, 400, 16, 3
STEPS, WARMUP, EVERY = TRAINED // BATCH_SIZE * EPOCHS, 6, 15  # after every 15 steps loss and accuracy are measured
DECAY, MOMENTUM, EPSILON = 0.8, 0.9, 1.0
TRAININGS = {"Adam": ("Adam", "EMA"), "LLRD": ("LLRD",), "FGM": ("FGM",)}  # training -> the ways it gives curves of
WAYS = [way for ways in TRAININGS.values() for way in ways]

AdamLR = extend_with_lr_schedule(Adam, "AdamLR")
AdamLRPW = extend_with_parameter_wise_lr(AdamLR, "AdamLRPW")
AdamLREMA = extend_with_exponential_moving_average(AdamLR, "AdamLREMA")

# ---------------------------------------------------------------------------------------------------------------- data


class Data:
    """Reviews to train and to test on, as token ids.

    Attributes:
        keep_tokens: list of int. The tokens of the reviews. The model has embeddings for these alone, for speed.
        train, test: tuple of (token ids [reviews, MAXLEN], labels [reviews]).
    """

    def __init__(self):
        reviews = english_reviews()
        random.Random(0).shuffle(reviews)
        texts, labels = zip(*reviews[: TRAINED + TESTED])
        batch = Tokenizer(str(minilm_folder() / "vocab.txt"), do_lower_case=True).encode_batch(
            texts, maxlen=MAXLEN, padding="max_length"
        )
        keep_tokens, ids = np.unique(np.array(batch.ids), return_inverse=True)  # [PAD] is 0 and stays 0
        ids, labels = ids.reshape(-1, MAXLEN), np.array(labels)
        self.keep_tokens = keep_tokens.tolist()
        self.train, self.test = (ids[:TRAINED], labels[:TRAINED]), (ids[TRAINED:], labels[TRAINED:])

    def batches(self, seed):
        """Yield (token ids, labels) of all epochs."""
        generator = np.random.RandomState(seed)
        for _ in range(EPOCHS):
            order = generator.permutation(TRAINED)
            for rows in order.reshape(-1, BATCH_SIZE):
                yield self.train[0][rows], self.train[1][rows]


# ------------------------------------------------------------------------------------------------------------ training


def classifier(training, keep_tokens):
    """Return (model to train, its optimizer)."""
    arguments = {"num_hidden_layers": BLOCKS, "keep_tokens": keep_tokens, "return_keras_model": False}
    bert = build_transformer_model(str(minilm_folder()), **arguments)
    output = keras.layers.Dense(2, activation="softmax")(GlobalAveragePooling1D()(bert.model.output))
    model = keras.Model(bert.model.inputs, output)
    schedule = warmup_linear(STEPS, WARMUP)
    if training == "LLRD":
        rates = layer_wise_rates(bert, decay=DECAY, model=model)
        optimizer = AdamLRPW(RATE, lr_schedule=schedule, paramwise_lr_schedule=rates)
    elif training == "FGM":
        model = adversarial_training(model, epsilon=EPSILON, clean_weight=1.0)
        optimizer = AdamLR(RATE, lr_schedule=schedule)
    else:
        optimizer = AdamLREMA(RATE, lr_schedule=schedule, ema_momentum=MOMENTUM)
    model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer)
    return model, optimizer


def scores(model, ids, labels):
    """Return (mean loss, accuracy) on reviews."""
    probabilities = model.predict([ids, np.zeros_like(ids)], batch_size=100, verbose=0)
    loss = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-7)).mean()
    return float(loss), float((probabilities.argmax(axis=1) == labels).mean())


def run(training, seed, data):
    """Train, and write {way: {losses, accuracies}} to a file."""
    keras.utils.set_random_seed(seed)
    model, optimizer = classifier(training, data.keep_tokens)
    curves = {way: {"losses": [], "accuracies": []} for way in TRAININGS[training]}
    for step, (ids, labels) in enumerate(data.batches(seed), 1):
        model.train_on_batch([ids, np.zeros_like(ids)], labels)
        if step % EVERY:
            continue
        for way, curve in curves.items():
            if way == "EMA":
                optimizer.apply_ema_weights()
            loss, accuracy = scores(model, *data.test)
            if way == "EMA":
                optimizer.reset_old_weights()
            curve["losses"].append(loss)
            curve["accuracies"].append(accuracy)
            print(f"{way}, seed {seed}, step {step}: loss {loss:.3f}, accuracy {accuracy:.3f}", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{training}-{seed}.json").write_text(json.dumps(curves), encoding="utf-8")


# -------------------------------------------------------------------------------------------------------------- figure


def collected():
    """Return {way: {seed: {losses, accuracies}}} of all results, and print a table of the last accuracies."""
    found = {way: {} for way in WAYS}
    for path in sorted(RESULTS.glob("*-*.json")):
        for way, curve in json.loads(path.read_text(encoding="utf-8")).items():
            found[way][path.stem.partition("-")[2]] = curve
    for way, curves in found.items():
        for what in ("losses", "accuracies"):
            last = [curve[what][-1] for curve in curves.values()]
            figures = f"mean {statistics.mean(last):.3f}, from {min(last):.3f} to {max(last):.3f}"
            print(f"{way:5} {what:10} after {STEPS} steps, {len(last)} seeds: {figures}")
    return found


def plot():
    """Draw the mean over the seeds as a line, and the range as an area, beside each other for loss and accuracy."""
    import matplotlib.pyplot as plt

    curves = collected()
    how = f"hatch run examples:fine-tuning, Keras {keras.__version__} on {environment.backend}"
    text = json.dumps({"how": how, "steps": list(range(EVERY, STEPS + 1, EVERY)), "curves": curves}, indent=1)
    FIGURE.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    for axis, what, label in zip(axes, ("losses", "accuracies"), ("loss", "accuracy")):
        for way in WAYS:
            values = np.array([curve[what] for curve in curves[way].values()])
            steps = np.arange(1, values.shape[1] + 1) * EVERY
            (line,) = axis.plot(steps, values.mean(axis=0), marker="o", markersize=3, label=way)
            axis.fill_between(steps, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.12)
        axis.set(xlabel="step", ylabel=f"{label} on {TESTED} other reviews")
        axis.grid(alpha=0.3)
    axes[1].legend()
    figure.suptitle("MiniLM on movie reviews: mean and range of the seeds")
    figure.tight_layout()
    figure.savefig(str(FIGURE), dpi=80)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--training", choices=list(TRAININGS), help="one of the trainings instead of all")
    parser.add_argument("--plot", action="store_true", help="draw, and train nothing")
    options = parser.parse_args()
    if options.plot:
        plot()
    else:
        data = Data()
        for seed in options.seeds:
            for training in [options.training] if options.training else TRAININGS:
                run(training, seed, data)
