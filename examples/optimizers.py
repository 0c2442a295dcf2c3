"""See what each optimizer and each extension does to the weights of a small model.

    python examples/optimizers.py

The model has an embedding and a dense layer. For each optimizer it begins with the same weights and sees the same
batches, so that the lines below compare what the optimizers do and nothing else. pretraining.py puts extensions
together for a real purpose.
"""

import common
import numpy as np

from b4k3.backend import keras
from b4k3.models import build_transformer_model
from b4k3.optimizers import (
    AdaFactor,
    Adam,
    Lion,
    Tiger,
    extend_with_exponential_moving_average,
    extend_with_gradient_accumulation,
    extend_with_layer_adaptation,
    extend_with_lazy_optimization,
    extend_with_lookahead,
    extend_with_lr_schedule,
    extend_with_parameter_wise_lr,
    extend_with_weight_decay,
    layer_wise_rates,
    warmup_linear,
)

RATE = 0.01
SIZES = (10, 8), (8, 3), (3,)  # embeddings, kernel, bias
START = [np.random.RandomState(i).uniform(-1, 1, size).astype("float32") for i, size in enumerate(SIZES)]

# An extension makes a class from a class, and its arguments come by name. The name is what saved models refer to.
AdamW = extend_with_weight_decay(Adam, "AdamW")
AdamWLR = extend_with_lr_schedule(AdamW, "AdamWLR")
Lamb = extend_with_layer_adaptation(AdamW, "Lamb")
AdamGA = extend_with_gradient_accumulation(Adam, "AdamGA")
AdamEMA = extend_with_exponential_moving_average(Adam, "AdamEMA")
AdamLookahead = extend_with_lookahead(Adam, "AdamLookahead")
AdamLazy = extend_with_lazy_optimization(Adam, "AdamLazy")
AdamPW = extend_with_parameter_wise_lr(Adam, "AdamPW")


def network():
    """Make the model: a classifier of single tokens."""
    ids = keras.layers.Input((1,), dtype="int32")
    x = keras.layers.Embedding(*SIZES[0], name="Embedding-Token")(ids)
    model = keras.models.Model(ids, keras.layers.Dense(SIZES[2][0], activation="softmax", name="Output")(x))
    model.set_weights(START)
    return model


def batch(step):
    """Return (token ids, labels). The first batch has the tokens 0 to 4, and the later ones have 3 to 9."""
    ids = np.arange(5) if step == 0 else np.arange(3, 10)
    return ids[:, None], (ids % SIZES[2][0])[:, None, None]


def train(optimizer, steps):
    """Train, and return (model, weights at the beginning and after each step, loss of each step)."""
    model = network()
    model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer)
    weights, losses = [START], []
    for step in range(steps):
        losses.append(float(model.train_on_batch(*batch(step))))
        weights.append([np.array(w) for w in model.get_weights()])
    return model, weights, losses


def largest(difference):
    """Return the largest absolute value."""
    return float(np.abs(difference).max())


def rates_and_steps(plain):
    """Check the extensions that change how far a variable moves."""
    exclude = {"exclude_from_weight_decay": ["Norm", "bias"]}
    _, decayed, _ = train(AdamWLR(RATE, weight_decay_rate=0.1, lr_schedule=warmup_linear(8, warmup=2), **exclude), 3)
    common.check("the first batch of a warm-up moves nothing", largest(decayed[1][1] - START[1]), below=1e-7)
    common.check("the next one does", largest(decayed[2][1] - START[1]), above=1e-4)

    _, decayed, _ = train(AdamW(RATE, weight_decay_rate=0.1, **exclude), 1)
    difference = decayed[1][1] - (plain[1][1] - RATE * 0.1 * START[1])
    common.check("AdamW adds a decay to the step of Adam", largest(difference), below=1e-6)
    common.check("but not for a bias", largest(decayed[1][2] - plain[1][2]), below=1e-7)

    _, adapted, _ = train(Lamb(RATE, exclude_from_layer_adaptation=["Norm", "bias"], **exclude), 1)
    moved = np.linalg.norm(adapted[1][1] - START[1]) / np.linalg.norm(START[1])
    common.check("LAMB moves a kernel by the rate times its length", abs(moved / RATE - 1), below=1e-3)

    _, slow, _ = train(AdamPW(RATE, paramwise_lr_schedule={"Embedding": 0.1}), 1)
    difference = (slow[1][0] - START[0]) - 0.1 * (plain[1][0] - START[0])
    common.check("slow embeddings move a tenth as far", largest(difference), below=1e-6)

    _, lazy, _ = train(AdamLazy(RATE, include_in_lazy_optimization=["Embedding"]), 2)
    unseen = largest(plain[2][0][:3] - plain[1][0][:3])
    common.check("with Adam a token moves on without being seen", unseen, above=1e-3)
    common.check("with lazy embeddings it stays", largest(lazy[2][0][:3] - lazy[1][0][:3]), below=1e-7)

    bert = build_transformer_model(common.TINY_CONFIG, return_keras_model=False)
    rates = layer_wise_rates(bert, decay=0.8)  # for paramwise_lr_schedule
    common.check("layer-wise rate of the embeddings", rates["Embedding-Norm/"], below=0.8**2)


def several_steps(plain):
    """Check the extensions that look at more than one batch."""
    _, gathered, _ = train(AdamGA(RATE, grad_accum_steps=2), 2)
    common.check("accumulation: the first batch moves nothing", largest(gathered[1][1] - START[1]), below=1e-7)
    common.check("the second one does", largest(gathered[2][1] - START[1]), above=1e-3)

    _, ahead, _ = train(AdamLookahead(RATE, steps_per_slow_update=4, slow_step_size=0.5), 4)
    difference = (ahead[4][1] - START[1]) - 0.5 * (plain[4][1] - START[1])
    common.check("Lookahead goes back half of the way", largest(difference), below=1e-6)

    optimizer = AdamEMA(RATE, ema_momentum=0.5)
    model, own, _ = train(optimizer, 2)
    optimizer.apply_ema_weights()
    expected = (0.25 * own[1][1] + 0.5 * own[2][1]) / 0.75
    common.check("EMA: the model has the averages", largest(model.get_weights()[1] - expected), below=1e-6)
    optimizer.reset_old_weights()
    common.check("and its own weights again", largest(model.get_weights()[1] - own[2][1]), below=1e-7)


def other_rules():
    """Check the optimizers with rules of their own."""
    _, signs, _ = train(Lion(RATE), 1)
    common.check("Lion moves each number by the rate", largest(np.abs(signs[1][1] - START[1]) - RATE), below=1e-6)
    for optimizer in (AdaFactor(RATE), Lion(RATE), Tiger(RATE)):
        losses = train(optimizer, 12)[2]
        common.check(f"{type(optimizer).__name__}: last loss / first loss", losses[-1] / losses[1], below=0.97)


if __name__ == "__main__":
    options = common.Options(__doc__)
    plain = train(Adam(RATE), 4)[1]
    rates_and_steps(plain)
    several_steps(plain)
    other_rules()
