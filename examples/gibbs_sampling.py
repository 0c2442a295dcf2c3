"""Write sentences with a masked language model by Gibbs sampling: mask one character after another, and draw it anew.

    python examples/gibbs_sampling.py
    python examples/gibbs_sampling.py --model chinese_L-12_H-768_A-12 --data texts.txt

The model is first trained as in masked_lm.py.

Reference: Wang and Cho, BERT has a Mouth, and It Must Speak, https://arxiv.org/abs/1902.04094
"""

import common
import numpy as np
from masked_lm import trained

from b4k3.models import Predictor
from b4k3.snippets import sequence_padding

options = common.Options(__doc__)
tokenizer, model, test_data = trained(options)
predictor = Predictor(model)

# All sentences are only masks at first. They are written side by side in one batch.
length, count = 16, options.choose(8, 32)
mask_id = tokenizer.token_to_id("[MASK]")
token_ids = np.full((count, length + 2), mask_id)
token_ids[:, 0], token_ids[:, -1] = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
segment_ids = np.zeros((count, options.maxlen))

for step in range(options.choose(3, 10) * length):
    i = 1 + step % length
    token_ids[:, i] = mask_id
    probas = predictor([sequence_padding(token_ids, options.maxlen), segment_ids])[:, i]
    probas[:, :5] = 0  # special tokens are not drawn
    cumulated = np.cumsum(probas, axis=1)
    token_ids[:, i] = (cumulated > np.random.random((count, 1)) * cumulated[:, -1:]).argmax(axis=1)

sentences = [tokenizer.decode(ids) for ids in token_ids]
print("\n".join(sentences))

# Neighbours in a good sentence are neighbours in real texts too. Random characters hardly ever are.
real = {text[i : i + 2] for _ in range(2000) for text in [common.news()[0]] for i in range(len(text) - 1)}
pairs = [sentence[i : i + 2] for sentence in sentences for i in range(len(sentence) - 1)]
if options.data is None:
    common.check("share of real pairs of characters", np.mean([pair in real for pair in pairs]), above=0.3)
