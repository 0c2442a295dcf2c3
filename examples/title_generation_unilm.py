"""Write titles: a BERT with application='unilm' reads the text as segment 0 and writes the title as segment 1.

    python examples/title_generation_unilm.py
    python examples/title_generation_unilm.py --model chinese_L-12_H-768_A-12 --data news.tsv

The lines of news.tsv are "text TAB title".

Reference: Dong et al., UniLM, https://arxiv.org/abs/1905.03197
"""

import common
import numpy as np

from b4k3.backend import K, keras
from b4k3.layers import Loss
from b4k3.models import build_transformer_model
from b4k3.snippets import AutoRegressiveDecoder, DataGenerator, sequence_padding
from b4k3.tokenizers import Tokenizer

options = common.Options(__doc__)
train_data, test_data = options.samples(common.news, quick=1024, full=8192)
maxlen, batch_size, epochs = options.maxlen, 32, options.choose(3, 8)

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids = [], []
        for is_end, (text, title) in self.sample(random):
            token_ids, segment_ids = tokenizer.encode(text, title, maxlen=maxlen)
            batch_token_ids.append(token_ids)
            batch_segment_ids.append(segment_ids)
            if len(batch_token_ids) == self.batch_size or is_end:
                yield [sequence_padding(batch_token_ids, maxlen), sequence_padding(batch_segment_ids, maxlen)], None
                batch_token_ids, batch_segment_ids = [], []


class CrossEntropy(Loss):
    """Each position predicts the token after it. Only the tokens of segment 1, the title, count."""

    def compute_loss(self, inputs, mask=None):
        y_true, y_mask, y_pred = inputs
        y_true, y_mask, y_pred = y_true[:, 1:], y_mask[:, 1:], y_pred[:, :-1]
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        return K.sum(loss * y_mask) / K.sum(y_mask)


model = build_transformer_model(options.config_path, options.checkpoint_path, application="unilm")
output = CrossEntropy(output_axis=2)(model.inputs + model.outputs)
train_model = keras.models.Model(model.inputs, output)
train_model.compile(optimizer=keras.optimizers.Adam(options.rate(3e-3)))

train_generator = data_generator(train_data, batch_size)
history = train_model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)
if not options.real:
    common.check_training(history, 0.6)


class AutoTitle(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype="probas")
    def predict(self, inputs, output_ids, states):
        token_ids, segment_ids = inputs
        token_ids = np.concatenate([token_ids, output_ids], axis=1)
        segment_ids = np.concatenate([segment_ids, np.ones_like(output_ids)], axis=1)
        return self.last_token(model).predict([token_ids, segment_ids], verbose=0)

    def generate(self, text, topk=1):
        token_ids, segment_ids = tokenizer.encode(text, maxlen=maxlen - self.maxlen)
        return tokenizer.decode(self.beam_search([token_ids, segment_ids], topk=topk))


autotitle = AutoTitle(start_id=None, end_id=tokenizer.token_to_id("[SEP]"), maxlen=6 if options.data is None else 32)
right = 0
for text, title in test_data[: options.choose(1, 16)]:
    generated = autotitle.generate(text, topk=options.choose(1, 3))
    right += generated == title
    print(f"{text} → {generated}")
if not options.quick and options.data is None:
    common.check("share of right titles", right / 16, above=0.5)
