"""Answer questions about a text: a GlobalPointer with one head finds the best span of the text.

    python examples/reading_comprehension.py
    python examples/reading_comprehension.py --model chinese_L-12_H-768_A-12 --data questions.tsv

The lines of questions.tsv are "question TAB text TAB answer". The answer is a part of the text.
"""

import random

import common
import numpy as np

from b4k3.backend import keras, ops
from b4k3.layers import GlobalPointer
from b4k3.models import build_transformer_model
from b4k3.snippets import DataGenerator, sequence_padding
from b4k3.tokenizers import Tokenizer


def question():
    """Return (question, text, answer)."""
    text, person, company, city = common.employment()
    asked = [(f"谁在{company}工作？", person), (f"{person}在哪里工作？", company), (f"{company}在哪里？", city)]
    ask, answer = random.choice(asked)
    return ask, text, answer


options = common.Options(__doc__)
train_data, test_data = options.samples(question, quick=1536, full=8192)
maxlen, batch_size, epochs = 512 if options.data else 40, 32, options.choose(1, 4)

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


def encode(question, text):
    """Encode [CLS] question [SEP] text [SEP].

    Returns:
        (token ids, segment ids, index of the first token of the text, the characters of each of its tokens).
    """
    token_ids, segment_ids = tokenizer.encode(question, text, maxlen=maxlen)
    first = segment_ids.index(1)
    tokens = tokenizer.tokenize(text)[1 : len(token_ids) - first]
    return token_ids, segment_ids, first, tokenizer.rematch(text, tokens)


class data_generator(DataGenerator):
    """Make batches. The label is the number of the right span among all n·n spans: span (i, j) is number i·n + j."""

    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_labels = [], [], []
        for is_end, (question, text, answer) in self.sample(random):
            token_ids, segment_ids, first, mapping = encode(question, text)
            start = text.index(answer)
            start_mapping = {chars[0]: i + first for i, chars in enumerate(mapping) if chars}
            end_mapping = {chars[-1]: i + first for i, chars in enumerate(mapping) if chars}
            i, j = start_mapping.get(start), end_mapping.get(start + len(answer) - 1)
            if i is not None and j is not None:  # the answer is not cut off, and consists of whole tokens
                batch_token_ids.append(token_ids)
                batch_segment_ids.append(segment_ids)
                batch_labels.append([i * maxlen + j])
            if len(batch_token_ids) == self.batch_size or is_end and batch_token_ids:
                batch_token_ids = sequence_padding(batch_token_ids, maxlen)
                batch_segment_ids = sequence_padding(batch_segment_ids, maxlen)
                yield [batch_token_ids, batch_segment_ids], np.array(batch_labels)
                batch_token_ids, batch_segment_ids, batch_labels = [], [], []


def span_crossentropy(y_true, y_pred):
    """Compute a cross-entropy in which each span is a class."""
    scores = ops.reshape(y_pred, (-1, maxlen * maxlen))
    scores = ops.maximum(scores, -1e4)  # -inf has no gradient
    return ops.sparse_categorical_crossentropy(ops.cast(y_true[:, 0], "int32"), scores, from_logits=True)


bert = build_transformer_model(options.config_path, options.checkpoint_path)
output = GlobalPointer(heads=1, head_size=64 if options.real else 16)(bert.output)
model = keras.models.Model(bert.inputs, output)
model.compile(loss=span_crossentropy, optimizer=keras.optimizers.Adam(options.rate(3e-3)))


def answer_of(question, text):
    """Return the best span of the text."""
    token_ids, segment_ids, first, mapping = encode(question, text)
    inputs = [sequence_padding([ids], maxlen) for ids in (token_ids, segment_ids)]
    scores = model.predict(inputs, verbose=0)[0, 0, first : first + len(mapping), first : first + len(mapping)]
    start, end = np.unravel_index(scores.argmax(), scores.shape)
    return text[mapping[start][0] : mapping[end][-1] + 1]


train_generator = data_generator(train_data, batch_size)
model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)

tested = test_data[: options.choose(24, None)]
answers = [answer_of(question, text) for question, text, _ in tested]
for (question, text, _), answer in list(zip(tested, answers))[:3]:
    print(f"{text} {question} → {answer}")
common.check("right answers", np.mean([a == true for a, (_, _, true) in zip(answers, tested)]), above=0.25)
