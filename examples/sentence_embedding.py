"""Compute vectors that are near each other for sentences of one meaning, by SimBERT.

SimBERT learns two tasks: to write a sentence of the same meaning, and to find this sentence among all of the batch.

    python examples/sentence_embedding.py
    python examples/sentence_embedding.py --model chinese_simbert_L-12_H-768_A-12 --data similar.tsv

The lines of similar.tsv are "text TAB text of the same meaning".

Reference: SimBERT, https://github.com/ZhuiyiTechnology/simbert
"""

import common
import numpy as np

from b4k3.backend import K, keras
from b4k3.layers import Loss
from b4k3.models import build_transformer_model
from b4k3.optimizers import simcse_loss
from b4k3.snippets import DataGenerator, sequence_padding
from b4k3.tokenizers import Tokenizer

options = common.Options(__doc__)
train_data, _ = options.samples(common.same_news, quick=512, full=4096)
maxlen, batch_size, epochs = 2 * options.maxlen, 32, options.choose(3, 6)

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


class data_generator(DataGenerator):
    """Make batches. Rows 2i and 2i + 1 are a pair, once in each order."""

    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids = [], []
        for is_end, (text, synonym) in self.sample(random):
            for texts in ((text, synonym), (synonym, text)):
                token_ids, segment_ids = tokenizer.encode(*texts, maxlen=maxlen)
                batch_token_ids.append(token_ids)
                batch_segment_ids.append(segment_ids)
            if len(batch_token_ids) == self.batch_size or is_end:
                yield [sequence_padding(batch_token_ids, maxlen), sequence_padding(batch_segment_ids, maxlen)], None
                batch_token_ids, batch_segment_ids = [], []


class TotalLoss(Loss):
    """The sum of the losses of the two tasks."""

    def compute_loss(self, inputs, mask=None):
        return self.seq2seq_loss(inputs) + self.similarity_loss(inputs)

    def seq2seq_loss(self, inputs):
        y_true, y_mask, _, y_pred = inputs
        y_true, y_mask, y_pred = y_true[:, 1:], y_mask[:, 1:], y_pred[:, :-1]
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        return K.sum(loss * y_mask) / K.sum(y_mask)

    def similarity_loss(self, inputs):
        return K.mean(simcse_loss(None, inputs[2]))


bert = build_transformer_model(
    options.config_path, options.checkpoint_path, with_pool="linear", application="unilm", return_keras_model=False
)
encoder = keras.models.Model(bert.model.inputs, bert.model.outputs[0])
outputs = TotalLoss(output_axis=[2, 3])(bert.model.inputs + bert.model.outputs)
model = keras.models.Model(bert.model.inputs, outputs)
model.compile(optimizer=keras.optimizers.Adam(options.rate()))

train_generator = data_generator(train_data, batch_size)
history = model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)
if not options.real:
    common.check_training(history, 0.8)


def encode(texts):
    """Return vectors of length 1, [len(texts), hidden_size]."""
    token_ids, segment_ids = zip(*(tokenizer.encode(text, maxlen=maxlen) for text in texts))
    vectors = encoder.predict([sequence_padding(token_ids, maxlen), sequence_padding(segment_ids, maxlen)], verbose=0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


texts, titles = zip(*(common.news() for _ in range(64)))
similarities = encode(texts).dot(encode(texts).T) - 2 * np.eye(len(texts))
for i in range(3):
    print(f"{texts[i]} ~ {texts[similarities[i].argmax()]}")
if options.data is None:  # a random sentence is about the same event in 1 of 24 cases
    found = np.mean([titles[i] == titles[row.argmax()] for i, row in enumerate(similarities)])
    common.check("share of nearest sentences about the same event", found, above=0.3)
