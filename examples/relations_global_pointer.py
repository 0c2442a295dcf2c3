"""Find relations as triples (subject, relation, object) by GPLinker, which has three global pointers.

One finds the spans of subjects and objects. The others link the first characters, and the last characters, of a subject
and an object for each relation.

    python examples/relations_global_pointer.py
    python examples/relations_global_pointer.py --model chinese_L-12_H-768_A-12 --data relations.tsv

The lines of relations.tsv are "text TAB subject|relation|object TAB …".

Reference: Su, GPLinker, https://kexue.fm/archives/8888
"""

import common
import numpy as np

from b4k3.backend import keras, ops, sparse_multilabel_categorical_crossentropy
from b4k3.layers import GlobalPointer
from b4k3.models import build_transformer_model
from b4k3.snippets import DataGenerator, sequence_padding, to_array
from b4k3.tokenizers import Tokenizer


def triples():
    """Return (text, "subject|relation|object", …)."""
    text, person, company, city = common.employment()
    return text, f"{person}|就职于|{company}", f"{company}|位于|{city}"


options = common.Options(__doc__)
train_data, test_data = options.samples(triples, quick=1024, full=4096)
maxlen, batch_size, epochs = options.maxlen, 32, options.choose(2, 4)
relations = sorted({triple.split("|")[1] for _, *found in train_data for triple in found})

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


def search(pattern, sequence):
    """Return the index at which a list first occurs in another; -1 if it does not."""
    return next((i for i in range(len(sequence)) if sequence[i : i + len(pattern)] == pattern), -1)


class data_generator(DataGenerator):
    """Make batches. The labels of a pointer are the pairs (i, j) of each head, filled up with (0, 0)."""

    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids = [], []
        batch_entities, batch_heads, batch_tails = [], [], []
        for is_end, (text, *found) in self.sample(random):
            token_ids, segment_ids = tokenizer.encode(text, maxlen=maxlen)
            entities, heads, tails = [set(), set()], [set() for _ in relations], [set() for _ in relations]
            for triple in found:
                subject, relation, object_ = triple.split("|")
                subject, object_ = tokenizer.encode(subject)[0][1:-1], tokenizer.encode(object_)[0][1:-1]
                s, o, r = search(subject, token_ids), search(object_, token_ids), relations.index(relation)
                if s != -1 and o != -1:
                    entities[0].add((s, s + len(subject) - 1))
                    entities[1].add((o, o + len(object_) - 1))
                    heads[r].add((s, o))
                    tails[r].add((s + len(subject) - 1, o + len(object_) - 1))
            for pairs in entities + heads + tails:
                pairs.update([] if pairs else [(0, 0)])  # the pair of [CLS] with itself means that there is none
            batch_token_ids.append(token_ids)
            batch_segment_ids.append(segment_ids)
            batch_entities.append(sequence_padding([sorted(pairs) for pairs in entities]))
            batch_heads.append(sequence_padding([sorted(pairs) for pairs in heads]))
            batch_tails.append(sequence_padding([sorted(pairs) for pairs in tails]))
            if len(batch_token_ids) == self.batch_size or is_end:
                batch_token_ids = sequence_padding(batch_token_ids, maxlen)
                batch_segment_ids = sequence_padding(batch_segment_ids, maxlen)
                labels = [sequence_padding(y, seq_dims=2) for y in (batch_entities, batch_heads, batch_tails)]
                yield [batch_token_ids, batch_segment_ids], labels
                batch_token_ids, batch_segment_ids = [], []
                batch_entities, batch_heads, batch_tails = [], [], []


def global_pointer_crossentropy(y_true, y_pred):
    """Compute the loss of labels that are pairs, [batch, heads, k, 2]; pair (i, j) is class i·n + j."""
    n = ops.shape(y_pred)[-1]
    y_true = ops.cast(y_true, "float32")
    y_true = y_true[..., 0] * ops.cast(n, "float32") + y_true[..., 1]
    y_pred = ops.reshape(y_pred, (-1, ops.shape(y_pred)[1], n * n))
    loss = sparse_multilabel_categorical_crossentropy(y_true, y_pred, mask_zero=True)
    return ops.mean(ops.sum(loss, axis=1))


bert = build_transformer_model(options.config_path, options.checkpoint_path)
size = 64 if options.real else 16
entity_output = GlobalPointer(heads=2, head_size=size)(bert.output)
head_output = GlobalPointer(heads=len(relations), head_size=size, RoPE=False, tril_mask=False)(bert.output)
tail_output = GlobalPointer(heads=len(relations), head_size=size, RoPE=False, tril_mask=False)(bert.output)
model = keras.models.Model(bert.inputs, [entity_output, head_output, tail_output])
model.compile(loss=[global_pointer_crossentropy] * 3, optimizer=keras.optimizers.Adam(options.rate(3e-3)))


def extract(text, threshold=0):
    """Return the triples in a text, as a set."""
    tokens = tokenizer.tokenize(text, maxlen=maxlen)
    mapping = tokenizer.rematch(text, tokens)
    token_ids, segment_ids = to_array([tokenizer.tokens_to_ids(tokens)], [[0] * len(tokens)])
    inputs = [sequence_padding(ids, maxlen) for ids in (token_ids, segment_ids)]
    entities, heads, tails = (scores[0] for scores in model.predict(inputs, verbose=0))
    for scores in (entities, heads, tails):
        scores[:, [0, len(tokens) - 1]] = scores[:, :, [0, len(tokens) - 1]] = -np.inf  # [CLS] and [SEP] are in no span
    subjects, objects = [list(zip(*np.where(scores > threshold))) for scores in entities]
    found = set()
    for s, s_end in subjects:
        for o, o_end in objects:
            for r in range(len(relations)):
                if heads[r, s, o] > threshold and tails[r, s_end, o_end] > threshold:
                    subject = text[mapping[s][0] : mapping[s_end][-1] + 1]
                    object_ = text[mapping[o][0] : mapping[o_end][-1] + 1]
                    found.add(f"{subject}|{relations[r]}|{object_}")
    return found


train_generator = data_generator(train_data, batch_size)
model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)

tested = test_data[: options.choose(16, None)]
found = [extract(text) for text, *_ in tested]
print(f"{tested[0][0]}: {sorted(found[0])}")
common.check("F1", common.f1(found, [set(true) for _, *true in tested]), above=0.4)
