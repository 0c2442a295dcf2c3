"""Classify sentences: a dense layer over the [CLS] of a BERT decides whether a review is praise or blame.

    python examples/sentence_classification.py
    python examples/sentence_classification.py --model chinese_L-12_H-768_A-12 --data reviews.tsv

The lines of reviews.tsv are "text TAB label". A label is 0 or 1.
"""

import common
import numpy as np

from b4k3.backend import keras
from b4k3.layers import FirstToken
from b4k3.models import build_transformer_model
from b4k3.snippets import DataGenerator, sequence_padding
from b4k3.tokenizers import Tokenizer

options = common.Options(__doc__)
train_data, test_data = options.samples(common.review, quick=256, full=4096)
maxlen, batch_size, epochs = options.maxlen, 16, options.choose(2, 4)

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_labels = [], [], []
        for is_end, (text, label) in self.sample(random):
            token_ids, segment_ids = tokenizer.encode(text, maxlen=maxlen)
            batch_token_ids.append(token_ids)
            batch_segment_ids.append(segment_ids)
            batch_labels.append([int(label)])
            if len(batch_token_ids) == self.batch_size or is_end:
                batch_token_ids = sequence_padding(batch_token_ids, maxlen)
                batch_segment_ids = sequence_padding(batch_segment_ids, maxlen)
                yield [batch_token_ids, batch_segment_ids], np.array(batch_labels)
                batch_token_ids, batch_segment_ids, batch_labels = [], [], []


def classifier():
    """Make the model."""
    bert = build_transformer_model(options.config_path, options.checkpoint_path)
    output = FirstToken()(bert.output)
    output = keras.layers.Dense(2, activation="softmax")(output)
    return keras.models.Model(bert.inputs, output)


def train(model):
    """Train the model on the reviews."""
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.Adam(options.rate()),
        metrics=["accuracy"],
    )
    batches = data_generator(train_data, batch_size)
    model.fit(batches.forfit(), steps_per_epoch=len(batches), epochs=epochs, verbose=2)


def check_accuracy(model):
    """Check that more answers are right than by guessing."""
    right = 0
    for x, y in data_generator(test_data, batch_size):
        right += (model.predict(x, verbose=0).argmax(axis=1) == y[:, 0]).sum()
    common.check("accuracy", right / len(test_data), above=0.8)


if __name__ == "__main__":
    model = classifier()
    train(model)
    check_accuracy(model)
