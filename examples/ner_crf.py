"""Find names of people, places and organisations: a conditional random field chooses the labels of all characters.

    python examples/ner_crf.py
    python examples/ner_crf.py --model chinese_L-12_H-768_A-12 --data people_daily.tsv

The lines of people_daily.tsv are "text TAB start:end:kind TAB start:end:kind …", for instance "王芳在上海 TAB 0:1:PER".
"""

import common
import numpy as np

from b4k3.backend import K, keras
from b4k3.layers import ConditionalRandomField
from b4k3.models import build_transformer_model
from b4k3.snippets import DataGenerator, ViterbiDecoder, sequence_padding, to_array
from b4k3.tokenizers import Tokenizer

options = common.Options(__doc__)
train_data, test_data = options.samples(common.entities, quick=768, full=4096)
maxlen, batch_size, epochs, crf_lr_multiplier = options.maxlen, 32, options.choose(2, 4), 100 if options.real else 1
kinds = ["PER", "LOC", "ORG"]  # label 0: no name; 2k + 1: a name of kind k begins; 2k + 2: it goes on

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_labels = [], [], []
        for is_end, (text, *spans) in self.sample(random):
            tokens = tokenizer.tokenize(text, maxlen=maxlen)
            mapping = tokenizer.rematch(text, tokens)
            start_mapping = {chars[0]: i for i, chars in enumerate(mapping) if chars}
            end_mapping = {chars[-1]: i for i, chars in enumerate(mapping) if chars}
            labels = np.zeros(len(tokens))
            for start, end, kind in common.parse_entities(spans):
                if start in start_mapping and end in end_mapping:
                    start, end = start_mapping[start], end_mapping[end]
                    labels[start] = kinds.index(kind) * 2 + 1
                    labels[start + 1 : end + 1] = kinds.index(kind) * 2 + 2
            batch_token_ids.append(tokenizer.tokens_to_ids(tokens))
            batch_segment_ids.append([0] * len(tokens))
            batch_labels.append(labels)
            if len(batch_token_ids) == self.batch_size or is_end:
                batch_token_ids = sequence_padding(batch_token_ids, maxlen)
                batch_segment_ids = sequence_padding(batch_segment_ids, maxlen)
                yield [batch_token_ids, batch_segment_ids], sequence_padding(batch_labels, maxlen)
                batch_token_ids, batch_segment_ids, batch_labels = [], [], []


bert = build_transformer_model(options.config_path, options.checkpoint_path)
output = keras.layers.Dense(len(kinds) * 2 + 1)(bert.output)
CRF = ConditionalRandomField(lr_multiplier=crf_lr_multiplier)
output = CRF(output)
model = keras.models.Model(bert.input, output)
model.compile(
    loss=CRF.sparse_loss,
    optimizer=keras.optimizers.Adam(options.rate(3e-3)),
    metrics=[CRF.sparse_accuracy],
)


class NamedEntityRecognizer(ViterbiDecoder):
    """Find the names in a text by the best path of labels."""

    def recognize(self, text):
        """Return the names in a text, as a set of (start, end, kind)."""
        tokens = tokenizer.tokenize(text, maxlen=maxlen)
        mapping = tokenizer.rematch(text, tokens)
        token_ids = tokenizer.tokens_to_ids(tokens)
        token_ids, segment_ids = to_array([token_ids], [[0] * len(token_ids)])
        inputs = [sequence_padding(ids, maxlen) for ids in (token_ids, segment_ids)]
        labels = self.decode(model.predict(inputs, verbose=0)[0, : len(tokens)])
        spans = []
        for i, label in enumerate(labels):
            if label % 2:
                spans.append([i, i, kinds[label // 2]])
            elif label and spans and spans[-1][1] == i - 1:
                spans[-1][1] = i
        return {(mapping[i][0], mapping[j][-1], kind) for i, j, kind in spans if mapping[i] and mapping[j]}


train_generator = data_generator(train_data, batch_size)
model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)

NER = NamedEntityRecognizer(trans=K.eval(CRF.trans), starts=[0], ends=[0])
tested = test_data[: options.choose(16, None)]
found = [NER.recognize(text) for text, *_ in tested]
text = tested[0][0]
names = [f"{text[i : j + 1]} ({kind})" for i, j, kind in sorted(found[0])]
print(f"{text}: {names}")
common.check("F1", common.f1(found, [set(common.parse_entities(spans)) for _, *spans in tested]), above=0.5)
