"""A step of our optimizers beside a step of the AdamW of Keras, paired in one run: time, and memory of the step.

    KERAS_BACKEND=torch python tests/benchmarks/optimizers.py [--layers 12] [--rounds 7] [--train] [--only Adam,Lamb]

The variables are those of a BERT of 12 blocks of 768, with random gradients; with --train the step is one of
`train_on_batch` of that BERT, 8 × 128 ids. A round runs every optimizer once, forwards and backwards in turn; the ratio
of a round is ours over that of AdamW (below 1: ours is faster), and `memory` is what the optimizer keeps likewise.
"""

from __future__ import annotations

import argparse
import statistics
import time

import keras
import numpy as np

import b4k3.optimizers as ours

BACKEND = keras.config.backend()
WIDTH, VOCABULARY, BATCH, LENGTH = 768, 21128, 8, 128
PEER = "keras AdamW"


def lamb():
    return ours.extend_with_layer_adaptation(ours.extend_with_weight_decay(ours.Adam))


MAKERS = {
    PEER: lambda: keras.optimizers.AdamW(1e-5, weight_decay=0.01),
    "Adam": lambda: ours.Adam(1e-5),
    "AdamW": lambda: ours.extend_with_weight_decay(ours.Adam)(1e-5, exclude_from_weight_decay=["bias", "norm"]),
    "AdamEMA": lambda: ours.extend_with_exponential_moving_average(ours.Adam)(1e-5),
    "Lamb": lambda: lamb()(1e-5, exclude_from_layer_adaptation=["bias", "norm"]),
    "Lion": lambda: ours.Lion(1e-5),
    "AdaFactor": lambda: ours.AdaFactor(1e-5),
}


def shapes(layers):
    """{path: shape} of a BERT."""
    out = {"token": (VOCABULARY, WIDTH), "position": (512, WIDTH), "segment": (2, WIDTH)}
    for i in range(layers):
        out.update({f"{i}-{name}": (WIDTH, WIDTH) for name in ("query", "key", "value", "output")})
        out.update({f"{i}-up": (WIDTH, 4 * WIDTH), f"{i}-down": (4 * WIDTH, WIDTH), f"{i}-up-bias": (4 * WIDTH,)})
        out.update({f"{i}-bias{j}": (WIDTH,) for j in range(5)})
        out.update({f"{i}-norm{j}": (WIDTH,) for j in range(4)})
    return out


def wait(values):
    """Wait until the device has computed the values."""
    if BACKEND == "jax":
        import jax

        jax.block_until_ready(values)
    elif BACKEND == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()


def update_step(optimizer, layers):
    """Return a function that makes one update of random variables."""
    draw = np.random.default_rng(0)
    variables = [
        keras.Variable(draw.standard_normal(shape, "float32") * 0.02, name=path)
        for path, shape in shapes(layers).items()
    ]
    gradients = [keras.ops.convert_to_tensor(draw.standard_normal(v.shape, "float32") * 1e-3) for v in variables]
    optimizer.build(variables)
    if BACKEND != "jax":
        return lambda: (optimizer.apply(gradients, variables), wait(None))
    import jax

    function = jax.jit(optimizer.stateless_apply, donate_argnums=(0, 2))
    state = [[jax.numpy.array(v.value, copy=True) for v in group] for group in (optimizer.variables, variables)]

    def step():
        state[1], state[0] = function(state[0], gradients, state[1])
        wait(state)

    return step


def train_step(optimizer, layers):
    """Return a function that trains a BERT with one batch."""
    from b4k3.models import build_transformer_model

    sizes = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=layers, num_attention_heads=12)
    model = build_transformer_model(**sizes, intermediate_size=4 * WIDTH, hidden_act="gelu", dropout_rate=0.1)
    model.compile(loss=lambda y, p: keras.ops.mean(keras.ops.square(p)), optimizer=optimizer)
    ids = np.random.default_rng(0).integers(1, VOCABULARY, (BATCH, LENGTH)).astype("int32")
    return lambda: model.train_on_batch([ids, np.zeros_like(ids)], np.zeros((BATCH, 1), "float32"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="names of optimizers, with commas between")
    parser.add_argument("--train", action="store_true", help="a whole training step instead of an update")
    options = parser.parse_args()
    names = [PEER, *(options.only.split(",") if options.only else [n for n in MAKERS if n != PEER])]
    optimizers = {name: MAKERS[name]() for name in names}
    make = train_step if options.train else update_step
    steps = {name: make(optimizer, options.layers) for name, optimizer in optimizers.items()}
    for step in list(steps.values()) * 2:  # compiled and warm
        step()
    seconds = {name: [] for name in names}
    for i in range(options.rounds):
        for name in names if i % 2 else names[::-1]:
            start = time.perf_counter()
            steps[name]()
            seconds[name].append(time.perf_counter() - start)
    kept = {name: sum(int(np.prod(v.shape)) for v in optimizer.variables) for name, optimizer in optimizers.items()}
    print(
        f"{BACKEND}, {options.layers} blocks, {'training step' if options.train else 'update'}, {options.rounds} rounds"
    )
    for name in names:
        ratios = sorted(mine / peer for mine, peer in zip(seconds[name], seconds[PEER]))
        print(
            f"{name:12} {statistics.median(seconds[name]) * 1e3:9.2f} ms   ratio {statistics.median(ratios):.3f} "
            f"({ratios[0]:.3f} to {ratios[-1]:.3f})   memory {kept[name] / kept[PEER]:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
