"""Classify pairs of sentences: do both reviews praise? Both go into one BERT; a dense layer over its pooler decides.

    python examples/sentence_pairs.py
    python examples/sentence_pairs.py --model chinese_L-12_H-768_A-12 --data pairs.tsv

The lines of pairs.tsv are "text TAB text TAB label", as in LCQMC. A label is 0 or 1.
"""

import random

import common
import numpy as np

from b4k3.backend import keras
from b4k3.models import build_transformer_model
from b4k3.snippets import DataGenerator, sequence_padding
from b4k3.tokenizers import Tokenizer


def pair():
    """Return (review, review, '1' if both praise, else '0'). Both labels are equally frequent."""
    wanted = random.random() < 0.5
    while True:
        (text1, label1), (text2, label2) = common.review(), common.review()
        if (label1 == label2 == "1") == wanted:
            return text1, text2, str(int(wanted))


options = common.Options(__doc__)
train_data, test_data = options.samples(pair, quick=768, full=8192)
maxlen, batch_size, epochs = 2 * options.maxlen, 32, options.choose(2, 4)

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_labels = [], [], []
        for is_end, (text1, text2, label) in self.sample(random):
            token_ids, segment_ids = tokenizer.encode(text1, text2, maxlen=maxlen)
            batch_token_ids.append(token_ids)
            batch_segment_ids.append(segment_ids)
            batch_labels.append([int(label)])
            if len(batch_token_ids) == self.batch_size or is_end:
                batch_token_ids = sequence_padding(batch_token_ids, maxlen)
                batch_segment_ids = sequence_padding(batch_segment_ids, maxlen)
                yield [batch_token_ids, batch_segment_ids], np.array(batch_labels)
                batch_token_ids, batch_segment_ids, batch_labels = [], [], []


# With the head with_pool alone, the pooled [CLS] is the output of the model.
bert = build_transformer_model(options.config_path, options.checkpoint_path, with_pool=True)
output = keras.layers.Dense(2, activation="softmax")(bert.output)
model = keras.models.Model(bert.input, output)
model.compile(
    loss="sparse_categorical_crossentropy",
    optimizer=keras.optimizers.Adam(options.rate(2e-3)),
    metrics=["accuracy"],
)

train_generator = data_generator(train_data, batch_size)
test_generator = data_generator(test_data, batch_size)
model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)

right = sum((model.predict(x, verbose=0).argmax(axis=1) == y[:, 0]).sum() for x, y in test_generator)
common.check("accuracy", right / len(test_data), above=0.7)
