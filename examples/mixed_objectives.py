"""Train for two objectives: classify reviews, and guess their masked characters, so that BERT stays a language model.

    python examples/mixed_objectives.py
    python examples/mixed_objectives.py --model chinese_L-12_H-768_A-12 --data reviews.tsv

The lines of reviews.tsv are "text TAB label". A label is 0 or 1.
"""

import common
import masked_lm
import numpy as np

from b4k3.backend import K, keras
from b4k3.layers import Loss
from b4k3.models import build_transformer_model
from b4k3.snippets import sequence_padding
from b4k3.tokenizers import Tokenizer

options = common.Options(__doc__)
train_data, test_data = options.samples(common.review, quick=768, full=4096)
maxlen, batch_size, epochs = options.maxlen, 32, options.choose(2, 4)

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


class data_generator(masked_lm.data_generator):
    def __iter__(self, random=False):
        batch = [[] for _ in range(5)]
        for is_end, (text, label) in self.sample(random):
            true_ids, segment_ids = self.tokenizer.encode(text, maxlen=self.maxlen)
            token_ids, to_guess = self.corrupt(true_ids)
            for rows, value in zip(batch, (token_ids, segment_ids, true_ids, to_guess, [int(label)])):
                rows.append(value)
            if len(batch[0]) == self.batch_size or is_end:
                yield [sequence_padding(rows, self.maxlen) for rows in batch[:4]] + [np.array(batch[4])], None
                batch = [[] for _ in range(5)]


class TotalLoss(Loss):
    """The loss of the classes, plus a tenth of the loss of the masked tokens."""

    def compute_loss(self, inputs, mask=None):
        labels, classes, true_ids, to_guess, tokens = inputs
        class_loss = K.mean(K.sparse_categorical_crossentropy(labels, classes))
        token_loss = K.sparse_categorical_crossentropy(true_ids, tokens)
        return class_loss + 0.1 * K.sum(token_loss * to_guess) / K.sum(to_guess)


bert = build_transformer_model(options.config_path, options.checkpoint_path, with_pool=True, with_mlm=True)
pooled, tokens = bert.outputs
classes = keras.layers.Dense(2, activation="softmax")(pooled)
classifier = keras.models.Model(bert.inputs, classes)

true_ids = keras.layers.Input((None,), name="True-Ids")
to_guess = keras.layers.Input((None,), name="To-Guess")
labels = keras.layers.Input((1,), name="Labels")
outputs = TotalLoss(output_axis=[1, 4])([labels, classes, true_ids, to_guess, tokens])
model = keras.models.Model(bert.inputs + [true_ids, to_guess, labels], outputs)
model.compile(optimizer=keras.optimizers.Adam(options.rate()))

batches = data_generator(train_data, batch_size, tokenizer, maxlen)
history = model.fit(batches.forfit(), steps_per_epoch=len(batches), epochs=epochs, verbose=2)

texts, labels = zip(*test_data)
token_ids, segment_ids = zip(*(tokenizer.encode(text, maxlen=maxlen) for text in texts))
inputs = [sequence_padding(ids, maxlen) for ids in (token_ids, segment_ids)]
predicted = classifier.predict(inputs, verbose=0).argmax(axis=1)
common.check("accuracy", np.mean(predicted == np.array(labels, dtype=int)), above=0.8)
