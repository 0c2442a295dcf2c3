"""Write titles: the encoder of a T5 reads the text, and its decoder writes the title.

    python examples/title_generation_t5.py
    python examples/title_generation_t5.py --model mt5_small --data news.tsv

The lines of news.tsv are "text TAB title". The folder of a real mT5 has its checkpoint and a sentencepiece.model, of
which the tokenizer is made. T5-PEGASUS (model="t5_pegasus") has a vocab.txt, as BERT has.

Reference: Raffel et al., T5, https://arxiv.org/abs/1910.10683
"""

import os

import common

from b4k3.backend import K, keras
from b4k3.layers import Loss
from b4k3.models import build_transformer_model
from b4k3.snippets import AutoRegressiveDecoder, DataGenerator, sequence_padding
from b4k3.tokenizers import SpTokenizer, Tokenizer

options = common.Options(__doc__)
train_data, test_data = options.samples(common.news, quick=512, full=8192)
maxlen, title_maxlen, batch_size, epochs = options.maxlen, 32 if options.data else 6, 32, options.choose(2, 8)

name = "t5_pegasus"
if options.real and not os.path.exists(options.dict_path):
    name = "mt5.1.1"
    sp_model_path = os.path.join(options.config_path, "sentencepiece.model")
    tokenizer = SpTokenizer(sp_model_path, token_start=None, token_end="</s>")
    end_id = tokenizer.token_to_id("</s>")
else:
    tokenizer = Tokenizer(options.dict_path, do_lower_case=True)
    end_id = tokenizer.token_to_id("[SEP]")


class data_generator(DataGenerator):
    """Make batches. The ids of the decoder begin with 0, from which it predicts the first token."""

    def __iter__(self, random=False):
        batch_text_ids, batch_title_ids = [], []
        for is_end, (text, title) in self.sample(random):
            batch_text_ids.append(tokenizer.encode(text, maxlen=maxlen)[0])
            title_ids = tokenizer.encode(title, maxlen=title_maxlen)[0]
            batch_title_ids.append([0] + title_ids[1 if name == "t5_pegasus" else 0 :])
            if len(batch_text_ids) == self.batch_size or is_end:
                yield [sequence_padding(batch_text_ids, maxlen), sequence_padding(batch_title_ids, title_maxlen)], None
                batch_text_ids, batch_title_ids = [], []


class CrossEntropy(Loss):
    """Each position predicts the token after it."""

    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        y_true, y_pred = y_true[:, 1:], y_pred[:, :-1]
        y_mask = K.cast(K.greater(y_true, 0), K.floatx())
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        return K.sum(loss * y_mask) / K.sum(y_mask)


config = {"hidden_act": ["gelu", "linear"]} if not options.real else {}
t5 = build_transformer_model(
    options.config_path, options.checkpoint_path, model=name, return_keras_model=False, **config
)
encoder, decoder = t5.encoder, t5.decoder
output = CrossEntropy(output_axis=1)([t5.model.inputs[1], t5.model.outputs[0]])
model = keras.models.Model(t5.model.inputs, output)
model.compile(optimizer=keras.optimizers.Adam(options.rate(3e-3, 2e-4)))

train_generator = data_generator(train_data, batch_size)
history = model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)
if not options.real:
    common.check_training(history, 0.95)


class AutoTitle(AutoRegressiveDecoder):
    """Run the encoder once for each text, and the decoder in each step."""

    @AutoRegressiveDecoder.wraps(default_rtype="probas")
    def predict(self, inputs, output_ids, states):
        return self.last_token(decoder).predict([inputs[0], output_ids], verbose=0)

    def generate(self, text, topk=1):
        text_ids = sequence_padding([tokenizer.encode(text, maxlen=maxlen)[0]], maxlen)
        encoded = encoder.predict(text_ids, verbose=0)[0]
        title_ids = self.beam_search([encoded], topk=topk)
        return tokenizer.decode([int(i) for i in title_ids[1:]])


autotitle = AutoTitle(start_id=0, end_id=end_id, maxlen=title_maxlen)
right, count = 0, options.choose(1, 16)
for text, title in test_data[:count]:
    generated = autotitle.generate(text, topk=options.choose(1, 3))
    right += generated == title
    print(f"{text} → {generated}")
if not options.quick and options.data is None:
    common.check("share of right titles", right / count, above=0.5)
