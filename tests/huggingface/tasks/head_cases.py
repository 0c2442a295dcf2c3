"""The heads of transformers on tiny networks: what its classes answer, and what b4k3.tasks does.

    python tests/huggingface/tasks/head_cases.py                # every network and class, one line each
    python tests/huggingface/tasks/head_cases.py Bert XLNet     # these networks

Needs transformers 5 and torch. Each row of ids goes through transformers alone and without padding, and through b4k3 in
one padded batch, so an answer that depends on padding shows too.
"""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from huggingface import references

LENGTHS = (12, 9, 5)
DEBERTA = dict(references.DEBERTA, position_biased_input=False, share_att_key=True, type_vocab_size=0)
GPT = dict(references.GPT_SIZES, bos_token_id=1, eos_token_id=3, pad_token_id=0)
OFFSET = {"max_position_embeddings": 42, "num_hidden_layers": 2, "pad_token_id": 1}
SHORT = dict(references.SIZES, num_hidden_layers=2)
BART = dict(references.BART_SIZES, eos_token_id=3, max_position_embeddings=40, decoder_start_token_id=3)
T5 = dict(references.T5_SIZES, num_heads=3, relative_attention_num_buckets=8, eos_token_id=3, decoder_start_token_id=0)
UMT5 = dict(T5, d_model=16, d_ff=24, num_heads=2)
LLAMA = dict(references.LLAMA_SIZES, bos_token_id=1, eos_token_id=3)
MODERNBERT = {"classifier_pooling": "mean", "norm_bias": True, "pad_token_id": 0}
# beginning of the names of the classes -> (name of the network, configuration)
NETWORKS = {
    "Bert": ("bert", SHORT),
    "Roberta": ("roberta", dict(SHORT, **OFFSET)),
    "XLMRoberta": ("roberta", dict(SHORT, **OFFSET, type_vocab_size=1)),
    "Albert": ("albert", dict(SHORT, embedding_size=16)),
    "Electra": ("electra", dict(SHORT, embedding_size=16)),
    "DistilBert": ("distilbert", references.DISTILBERT),
    "DebertaV2": ("deberta_v2", DEBERTA),
    "MPNet": ("mpnet", dict(references.MPNET, **OFFSET)),
    "MegatronBert": ("megatron_bert", SHORT),
    "RoFormer": ("roformer", dict(SHORT, embedding_size=16, hidden_act="relu")),
    "Ernie": ("ernie", dict(SHORT, use_task_id=True)),
    "ModernBert": (
        "modernbert",
        dict(references.MODERNBERT, classifier_pooling="mean", norm_bias=True, pad_token_id=0),
    ),
    "XLNet": ("xlnet", dict(references.XLNET, pad_token_id=5)),
    "Bart": ("bart", BART),
    "T5": ("t5.1.0", T5),
    "MT5": ("mt5.1.1", dict(T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "UMT5": ("umt5", UMT5),
    "OpenAIGPT": ("gpt", GPT),
    "GPT2": ("gpt2", GPT),
    "Llama": ("llama", LLAMA),
    "Qwen2": ("qwen2", LLAMA),
    "Qwen3": ("qwen3", dict(LLAMA, head_dim=6)),
    "Mistral": ("mistral", LLAMA),
    "SmolLM3": ("smollm3", LLAMA),
}


def cases():
    """Every (beginning of the class, task) for which b4k3 has a head."""
    from b4k3.tasks.head_descriptions import HEADS, TASKS

    return [(prefix, task) for prefix, (name, _) in NETWORKS.items() for task in TASKS if task in HEADS[name]]


def class_name(prefix, task):
    """The name of the class in transformers."""
    return f"{prefix}For{task}" + ("Simple" if (prefix, task) == ("XLNet", "QuestionAnswering") else "")


def make(cls, config):
    """A model with weights large enough for errors to show."""
    import torch

    model = cls(config).eval()
    torch.manual_seed(len(cls.__name__))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "embed_positions" in key and "bart" not in config.model_type:
                continue
            noise = torch.randn_like(parameter)
            scale = 0.3 if "embeddings" in key or parameter.ndim == 1 else 0.2
            is_gamma = parameter.ndim == 1 and key.endswith("weight")
            parameter.copy_(1 + scale * noise if is_gamma else scale * noise)
    return model


def write_vocabulary(folder, size, pad):
    """A vocab.txt whose padding token is where the configuration has it."""
    tokens = ["[CLS]", "[UNK]", "[MASK]", "[SEP]"]
    tokens.insert(pad, "[PAD]") if pad <= len(tokens) else tokens.append("[PAD]")
    tokens += [f"word{i}" for i in range(size - len(tokens))]
    tokens.remove("[PAD]")
    tokens.insert(pad, "[PAD]")
    (pathlib.Path(folder) / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")


def write(prefix, task, folder, **settings):
    """Write a folder of transformers, and return its model."""
    import transformers

    cls = getattr(transformers, class_name(prefix, task))
    config = dict(NETWORKS[prefix][1], **settings)
    if task in ("SequenceClassification", "TokenClassification"):
        config.setdefault("num_labels", 3)
    model = make(cls, cls.config_class(**config))
    model.save_pretrained(str(folder))
    pad = model.config.pad_token_id
    write_vocabulary(folder, model.config.vocab_size, 0 if pad is None else pad)
    return model


def rows(seed=0, padding=0):
    """Lists of ids without padding and with the end token, 3, at their end."""
    random = np.random.RandomState(seed)
    found = []
    for length in LENGTHS:
        ids = random.randint(6, 59, length)
        ids[-1] = 3
        found.append(ids.tolist())
    return found


def answers(model, task, ids):
    """The logits of transformers, row by row."""
    import torch

    found = []
    for row in ids:
        tensor = torch.tensor([[row]] if task == "MultipleChoice" else [row])
        with torch.no_grad():
            out = model(input_ids=tensor, attention_mask=torch.ones_like(tensor))
        if task == "QuestionAnswering":
            found.append(torch.stack([out.start_logits, out.end_logits], -1)[0].numpy())
        else:
            found.append(out.logits[0].numpy())
    return found


def ours(folder, task, ids, **arguments):
    """The logits of b4k3, as one padded batch; and the task."""
    from b4k3.tasks.task import Rows, Task

    cls = type(task, (Task,), {"task": task})
    made = cls.from_folder(folder, **arguments)
    found = [None] * len(ids)
    for chosen, result in made.run(Rows(ids, [[0] * len(row) for row in ids])):
        for i, logits in zip(chosen, result):
            found[i] = logits[: len(ids[i])] if made.head.reads == "every" else logits
    return found, made


def difference(got, want):
    """The largest difference, relative to the largest value."""
    assert [x.shape for x in got] == [x.shape for x in want], ([x.shape for x in got], [x.shape for x in want])
    scale = max(np.abs(x).max() for x in want)
    return max(np.abs(x - y).max() for x, y in zip(got, want)) / scale


def compare(prefix, task, folder, **settings):
    """Compare a class, and what `save` writes; return the two differences."""
    import transformers

    model = write(prefix, task, folder, **settings)
    ids = rows()
    want = answers(model, task, ids)
    got, made = ours(folder, task, ids)
    first = difference(got, want)
    saved = str(folder) + "-saved"
    made.save(saved)
    config = json.loads((pathlib.Path(saved) / "config.json").read_text())
    assert config["architectures"] == [type(model).__name__], config["architectures"]
    cls = getattr(transformers, config["architectures"][0])
    again, info = cls.from_pretrained(saved, output_loading_info=True)
    wrong = {key: value for key, value in info.items() if value and key != "error_msgs"}
    wrong["missing_keys"] = {k for k in info["missing_keys"] if "embed_positions" not in k and "pooler" not in k}
    assert not wrong["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], wrong
    return first, difference(answers(again.eval(), task, ids), want)


# Classes of pretraining, which `build_transformer_model` has: end of the name -> (argument, networks)
PRETRAINING = {
    "MaskedLM": (
        {"with_mlm": "linear"},
        "Bert Roberta XLMRoberta Albert Electra DistilBert DebertaV2 MPNet MegatronBert RoFormer Ernie "
        "ModernBert".split(),
    ),
    "NextSentencePrediction": ({"with_nsp": True}, ["Bert", "MegatronBert", "Ernie"]),
}


def compare_pretraining(prefix, task, folder):
    """Compare a class of pretraining; return the difference of logits, or of probabilities for sentence pairs."""
    import torch

    from b4k3.models import build_transformer_model
    from support import goldens

    model = write(prefix, task, folder)
    transformer = build_transformer_model(str(folder), return_keras_model=False, model="auto", **PRETRAINING[task][0])
    got, want = [], answers(model, task, rows())
    pad = max(transformer.pad_token_id, 0)
    ids = np.array([row + [pad] * (max(LENGTHS) - len(row)) for row in rows()])
    inputs = [ids] + [np.zeros_like(ids)] * (len(transformer.inputs) - 1)
    outputs = goldens.predict(transformer.model, inputs)[-1]
    if task == "NextSentencePrediction":
        return difference(list(outputs), [torch.softmax(torch.tensor(x), -1).numpy() for x in want])
    got = [row[:length] for row, length in zip(outputs, LENGTHS)]
    return difference(got, want)


def main():
    """Compare every network and class."""
    failed = 0
    pretraining = [(prefix, task) for task, (_, prefixes) in PRETRAINING.items() for prefix in prefixes]
    for prefix, task in cases() + pretraining:
        if sys.argv[1:] and prefix not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                if task in PRETRAINING:
                    first = second = compare_pretraining(prefix, task, folder + "/it")
                else:
                    first, second = compare(prefix, task, folder + "/it")
                text, wrong = f"{first:.1e}, saved {second:.1e}", max(first, second) > 1e-5
            except Exception as e:
                text, wrong = f"{type(e).__name__}: {e}"[:600], True
        failed += wrong
        print(f"{'WRONG' if wrong else 'equal'} {class_name(prefix, task)}: {text}", flush=True)
    print(f"{failed} wrong")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main()))
