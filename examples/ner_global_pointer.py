"""Find names of people, places and organisations: EfficientGlobalPointer scores each span for each kind.

Unlike with the labels of ner_crf.py, a name may lie within another one.

    python examples/ner_global_pointer.py
    python examples/ner_global_pointer.py --model chinese_L-12_H-768_A-12 --data people_daily.tsv

The lines of people_daily.tsv are "text TAB start:end:kind TAB start:end:kind …", for instance "王芳在上海 TAB 0:1:PER".
"""

import common
import numpy as np

from b4k3.backend import keras, multilabel_categorical_crossentropy, ops
from b4k3.layers import EfficientGlobalPointer
from b4k3.models import build_transformer_model
from b4k3.snippets import DataGenerator, sequence_padding, to_array
from b4k3.tokenizers import Tokenizer

options = common.Options(__doc__)
train_data, test_data = options.samples(common.entities, quick=1024, full=4096)
maxlen, batch_size, epochs = options.maxlen, 32, options.choose(2, 4)
kinds = ["PER", "LOC", "ORG"]

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_labels = [], [], []
        for is_end, (text, *spans) in self.sample(random):
            tokens = tokenizer.tokenize(text, maxlen=maxlen)
            mapping = tokenizer.rematch(text, tokens)
            start_mapping = {chars[0]: i for i, chars in enumerate(mapping) if chars}
            end_mapping = {chars[-1]: i for i, chars in enumerate(mapping) if chars}
            labels = np.zeros((len(kinds), maxlen, maxlen))
            for start, end, kind in common.parse_entities(spans):
                if start in start_mapping and end in end_mapping:
                    labels[kinds.index(kind), start_mapping[start], end_mapping[end]] = 1
            batch_token_ids.append(tokenizer.tokens_to_ids(tokens))
            batch_segment_ids.append([0] * len(tokens))
            batch_labels.append(labels)
            if len(batch_token_ids) == self.batch_size or is_end:
                batch_token_ids = sequence_padding(batch_token_ids, maxlen)
                batch_segment_ids = sequence_padding(batch_segment_ids, maxlen)
                yield [batch_token_ids, batch_segment_ids], np.array(batch_labels)
                batch_token_ids, batch_segment_ids, batch_labels = [], [], []


def global_pointer_crossentropy(y_true, y_pred):
    """Compute the loss of each kind as a classification of all spans, of which several may be right."""
    spans = ops.shape(y_pred)[2] * ops.shape(y_pred)[3]
    y_true, y_pred = (ops.reshape(y, (-1, len(kinds), spans)) for y in (y_true, y_pred))
    return ops.mean(ops.sum(multilabel_categorical_crossentropy(y_true, y_pred), axis=1))


bert = build_transformer_model(options.config_path, options.checkpoint_path)
output = EfficientGlobalPointer(heads=len(kinds), head_size=64 if options.real else 16)(bert.output)
model = keras.models.Model(bert.input, output)
model.compile(loss=global_pointer_crossentropy, optimizer=keras.optimizers.Adam(options.rate(3e-3)))


def recognize(text, threshold=0):
    """Return the names in a text, as a set of (start, end, kind)."""
    tokens = tokenizer.tokenize(text, maxlen=maxlen)
    mapping = tokenizer.rematch(text, tokens)
    token_ids = tokenizer.tokens_to_ids(tokens)
    token_ids, segment_ids = to_array([token_ids], [[0] * len(token_ids)])
    scores = model.predict([sequence_padding(ids, maxlen) for ids in (token_ids, segment_ids)], verbose=0)[0]
    spans = zip(*np.where(scores > threshold))
    return {(mapping[i][0], mapping[j][-1], kinds[k]) for k, i, j in spans if mapping[i] and mapping[j]}


train_generator = data_generator(train_data, batch_size)
model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)

tested = test_data[: options.choose(16, None)]
found = [recognize(text) for text, *_ in tested]
text = tested[0][0]
names = [f"{text[i : j + 1]} ({kind})" for i, j, kind in sorted(found[0])]
print(f"{text}: {names}")
common.check("F1", common.f1(found, [set(common.parse_entities(spans)) for _, *spans in tested]), above=0.5)
