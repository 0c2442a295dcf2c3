"""Pretrain a masked language model as bert4keras does, stop in the middle, and go on as if nothing had happened.

    python examples/pretraining.py
    python examples/pretraining.py --model chinese_L-12_H-768_A-12 --data texts.txt

Each line of texts.txt is a text. The optimizer is LAMB, which is Adam without bias correction, with weight decay and
with steps as long as the weights are. The rate rises over the first batches and then falls to 0. Gradients of several
batches are gathered for one update, as for batches that a device has no room for. The schedule counts batches, not
updates, so its numbers are multiples of `ACCUMULATED`.

Which tokens are masked in a batch depends on the number of the batch alone. So a training that was stopped needs the
saved model, with the state of its optimizer, and the number of batches that it has seen.

Reference: You et al., Large Batch Optimization for Deep Learning, https://arxiv.org/abs/1904.00962
"""

import os
import tempfile

import common
import numpy as np
from masked_lm import CrossEntropy

from b4k3.backend import keras
from b4k3.layers import custom_objects
from b4k3.models import build_transformer_model
from b4k3.optimizers import (
    Adam,
    extend_with_gradient_accumulation,
    extend_with_layer_adaptation,
    extend_with_piecewise_linear_lr,
    extend_with_weight_decay,
)
from b4k3.snippets import sequence_padding
from b4k3.tokenizers import Tokenizer

BATCH_SIZE, ACCUMULATED = 16, 2
HAS_KERAS_FORMAT = hasattr(getattr(keras, "saving", None), "load_model")  # files of the newer kind
EXCLUDED = ["Norm", "bias"]  # found in the paths of variables that neither decay nor have steps as long as they are

AdamW = extend_with_weight_decay(Adam, "AdamW")
Lamb = extend_with_layer_adaptation(AdamW, "Lamb")
LambLR = extend_with_piecewise_linear_lr(Lamb, "LambLR")
LambLRGA = extend_with_gradient_accumulation(LambLR, "LambLRGA")


def make_optimizer(rate, warmup, updates):
    """Return the optimizer, for a number of updates of which the first ones are the warm-up."""
    return LambLRGA(
        rate,
        bias_correction=False,
        weight_decay_rate=0.01,
        exclude_from_weight_decay=EXCLUDED,
        exclude_from_layer_adaptation=EXCLUDED,
        lr_schedule={warmup * ACCUMULATED: 1, updates * ACCUMULATED: 0},
        grad_accum_steps=ACCUMULATED,
    )


def network(options):
    """Make the model: its loss is the mean cross-entropy of the tokens that are to be guessed."""
    bert = build_transformer_model(options.config_path, options.checkpoint_path, with_mlm=True)
    true_ids = keras.layers.Input((None,), name="True-Ids")
    to_guess = keras.layers.Input((None,), name="To-Guess")
    output = CrossEntropy(output_axis=2)([true_ids, to_guess, bert.output])
    return keras.models.Model(bert.inputs + [true_ids, to_guess], output)


class Batches:
    """Batches by number: [token ids, segment ids, true token ids, 1 where to guess], each [batch, n].

    Of 15% of the tokens, 80% are masked, 10% are replaced by random tokens, and 10% stay.
    """

    def __init__(self, texts, tokenizer, maxlen):
        encoded = [tokenizer.encode(text, maxlen=maxlen)[0] for text in texts]
        self.ids = sequence_padding(encoded, maxlen)
        self.special = [tokenizer.token_to_id(token) for token in ("[PAD]", "[CLS]", "[SEP]")]
        self.mask_id, self.vocab_size = tokenizer.token_to_id("[MASK]"), len(tokenizer.token_dict)

    def __getitem__(self, number):
        generator = np.random.RandomState(number)
        ids = self.ids[generator.choice(len(self.ids), BATCH_SIZE, replace=len(self.ids) < BATCH_SIZE)]
        chosen, how = generator.uniform(size=ids.shape) < 0.15, generator.uniform(size=ids.shape)
        chosen[:, 1] = True  # at least one of each text
        chosen &= ~np.isin(ids, self.special)
        random_ids = generator.randint(5, self.vocab_size, ids.shape)
        corrupted = np.where(how < 0.8, self.mask_id, np.where(how < 0.9, random_ids, ids))
        return [np.where(chosen, corrupted, ids), np.zeros_like(ids), ids, chosen.astype("int32")]


def train(model, batches, start, stop):
    """Train on the batches from `start` to `stop`, and return their losses."""
    losses = []
    for number in range(start, stop):
        losses.append(float(model.train_on_batch(batches[number], None)))
        if number % 20 == 0:
            print(f"batch {number}: loss {losses[-1]:.3f}", flush=True)
    return losses


if __name__ == "__main__":
    options = common.Options(__doc__)
    texts = [text for text, *_ in options.samples(common.news, quick=768, full=8192)[0]]
    updates = options.choose(50, 500)
    tokenizer = Tokenizer(options.dict_path, do_lower_case=True)
    batches = Batches(texts, tokenizer, options.maxlen)
    model = network(options)
    optimizer = make_optimizer(options.rate(0.03, 1e-4), warmup=updates // 10, updates=updates)
    model.compile(optimizer=optimizer)

    middle, end = updates * ACCUMULATED * 3 // 4 + 1, updates * ACCUMULATED  # the middle is within an update
    losses = train(model, batches, 0, middle)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras" if HAS_KERAS_FORMAT else "model.h5")
        model.save(path)
        losses += train(model, batches, middle, end)
        again = keras.models.load_model(path, custom_objects=dict(custom_objects, CrossEntropy=CrossEntropy))
    resumed = train(again, batches, middle, end)

    if not options.real:  # a real model has dropout, which draws other numbers
        common.check("last losses / first losses", np.mean(losses[-10:]) / np.mean(losses[:10]), below=0.75)
        difference = np.abs(np.array(resumed) - losses[middle:]).max()
        common.check("difference of the losses after resuming", difference, below=1e-3)
