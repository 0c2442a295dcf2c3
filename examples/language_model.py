"""Write sentences from left to right: a BERT with application='lm'.

    python examples/language_model.py
    python examples/language_model.py --model chinese_L-12_H-768_A-12 --data texts.txt

Each line of texts.txt is a text. For a checkpoint that is a language model already (GPT, NEZHA-Gen, CPM-LM), give
`build_transformer_model` its model= (docs/models.md), and leave out the training.
"""

import common
import numpy as np

from b4k3.backend import K, keras
from b4k3.layers import Loss
from b4k3.models import build_transformer_model
from b4k3.snippets import AutoRegressiveDecoder, DataGenerator, sequence_padding
from b4k3.tokenizers import Tokenizer

options = common.Options(__doc__)
train_data, _ = options.samples(common.news, quick=512, full=8192)
maxlen, batch_size, epochs = options.maxlen, 32, options.choose(4, 8)

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids = []
        for is_end, sample in self.sample(random):
            batch_token_ids.append(tokenizer.encode(sample[0], maxlen=maxlen)[0])
            if len(batch_token_ids) == self.batch_size or is_end:
                yield [sequence_padding(batch_token_ids, maxlen)], None
                batch_token_ids = []


class CrossEntropy(Loss):
    """Each position predicts the token after it."""

    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        y_true, y_pred = y_true[:, 1:], y_pred[:, :-1]
        y_mask = K.cast(K.greater(y_true, 0), K.floatx())
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        return K.sum(loss * y_mask) / K.sum(y_mask)


model = build_transformer_model(options.config_path, options.checkpoint_path, application="lm", segment_vocab_size=0)
output = CrossEntropy(output_axis=1)([model.input, model.output])
train_model = keras.models.Model(model.input, output)
train_model.compile(optimizer=keras.optimizers.Adam(options.rate(3e-3)))

train_generator = data_generator(train_data, batch_size)
history = train_model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)
if not options.real:
    common.check_training(history, 0.5)


class StoryCompletion(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype="probas")
    def predict(self, inputs, output_ids, states):
        token_ids = np.concatenate([inputs[0], output_ids], axis=1)
        return self.last_token(model).predict(token_ids, verbose=0)

    def generate(self, text, n=1, topp=0.9):
        token_ids = tokenizer.encode(text)[0][:-1]
        results = self.random_sample([token_ids], n, topp=topp)
        return [text + tokenizer.decode(ids) for ids in results]


story_completion = StoryCompletion(start_id=None, end_id=tokenizer.token_to_id("[SEP]"), maxlen=options.choose(8, 24))
stories = story_completion.generate("昨天北京", n=1)
print("\n".join(stories))
if options.data is None and not options.quick:
    told = [any(s.startswith("昨天北京" + t) for t in sum(common.TOPICS.values(), [])) for s in stories]
    common.check("share of stories told in full", np.mean(told), above=0.5)
