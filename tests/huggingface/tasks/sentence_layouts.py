"""Tiny folders of sentence-transformers with random weights, one for each thing that such a folder can say.

Needs sentence-transformers, transformers 5 and torch. `python tests/huggingface/tasks/sentence_layouts.py` compares
every layout, and a folder that is named on the command line, with b4k3, and prints the largest difference.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import sys
import tempfile
import warnings

import numpy as np

WORDS = (
    "the cat sleeps a dog runs in park ##s ##ing 今 天 气 很 好 我 们 query passage : , . ! Cat STREET street".split()
)
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
TEXTS = [
    "the cat sleeps",
    "A dog runs in the park, the dog sleeps!",
    "今天天气很好",
    "我们 cats",
    "",
    "the cat " * 30,
    "STREET Cat street",
]
SIZES = {
    "vocab_size": len(VOCAB),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def dense(outputs, activation, bias=True):
    def make(size):
        import torch
        from sentence_transformers.sentence_transformer.modules import Dense

        return Dense(size, outputs, bias=bias, activation_function=getattr(torch.nn, activation)()), outputs

    return make


def normalize(size):
    from sentence_transformers.sentence_transformer.modules import Normalize

    return Normalize(), size


def norm(size):
    import torch
    from sentence_transformers.sentence_transformer.modules import LayerNorm

    module = LayerNorm(size)
    torch.nn.init.normal_(module.norm.weight)
    torch.nn.init.normal_(module.norm.bias)
    return module, size


PROMPTS = {"query": "query: ", "passage": "passage: "}
# name -> (modes, modules after the pooling, what differs)
LAYOUTS = {
    **{mode: ((mode,), (), {}) for mode in MODES},
    "several_modes": (("mean", "cls", "lasttoken"), (), {}),
    "normalized": (("mean",), (normalize,), {}),
    "dense_tanh": (("cls",), (dense(6, "Tanh"),), {}),
    "dense_identity": (("mean",), (dense(20, "Identity", bias=False), normalize), {}),
    "dense_twice": (("max", "mean"), (dense(12, "GELU"), norm, dense(5, "SiLU")), {}),
    "prompts": (("mean",), (), {"prompts": PROMPTS}),
    "default_prompt": (("mean",), (normalize,), {"prompts": PROMPTS, "default_prompt_name": "query"}),
    "prompt_left_out": (MODES, (), {"prompts": PROMPTS, "default_prompt_name": "passage", "include_prompt": False}),
    "cut": (("mean",), (), {"max_seq_length": 9}),
    "cased": (("mean",), (), {"lower": False}),
    "lowered_by_the_module": (("mean",), (), {"lower": False, "do_lower_case": True}),
    "dot": (("cls",), (), {"similarity_fn_name": "dot"}),
    "manhattan": (("mean",), (), {"similarity_fn_name": "manhattan"}),
    "roberta": (("mean",), (normalize,), {"body": "Roberta"}),
    "distilbert": (("cls",), (), {"body": "DistilBert"}),
    "old_keys": (("max", "mean"), (dense(6, "Tanh"),), {"old": True}),
}


def make(name, folder):
    """Write a layout into a folder that is not there yet, and return its `SentenceTransformer`."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    modes, steps, options = LAYOUTS[name]
    torch.manual_seed(len(name))
    body = pathlib.Path(tempfile.mkdtemp())
    kind = options.get("body", "Bert")
    sizes = dict(SIZES, **({"pad_token_id": 0} if kind == "Roberta" else {}))
    if kind == "DistilBert":
        sizes = {"vocab_size": len(VOCAB), "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}
        sizes["max_position_embeddings"] = 40
    network = getattr(transformers, kind + "Model")(getattr(transformers, kind + "Config")(**sizes))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(body)
    (body / "vocab.txt").write_text("\n".join(VOCAB) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizer(str(body / "vocab.txt"), do_lower_case=options.get("lower", True))
    tokenizer.model_max_length = 38
    tokenizer.save_pretrained(body)
    first = Transformer(str(body), max_seq_length=options.get("max_seq_length"))
    modules, size = [first, Pooling(16, modes, include_prompt=options.get("include_prompt", True))], 16 * len(modes)
    for step in steps:
        module, size = step(size)
        modules.append(module)
    said = {key: options[key] for key in ("prompts", "default_prompt_name", "similarity_fn_name") if key in options}
    model = SentenceTransformer(modules=modules, device="cpu", **said)
    model.save(str(folder), create_model_card=False)
    shutil.rmtree(body)
    if options.get("do_lower_case"):
        path = pathlib.Path(folder) / "sentence_bert_config.json"
        path.write_text(json.dumps({"max_seq_length": 38, "do_lower_case": True}), encoding="utf-8")
    if options.get("old"):
        spell_as_of_old(pathlib.Path(folder))
    return SentenceTransformer(str(folder), device="cpu")


def spell_as_of_old(folder):
    """Write the pooling and the Dense layer as sentence-transformers 2 did, and the network into its own folder."""
    path = folder / "1_Pooling" / "config.json"
    old = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False}
    for mode in ("mean", "max", "mean_sqrt_len"):
        old[f"pooling_mode_{mode}_tokens"] = mode != "mean_sqrt_len"
    path.write_text(json.dumps(old), encoding="utf-8")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules[0]["path"] = "0_Transformer"
    for module, kind in zip(modules, ("Transformer", "Pooling", "Dense")):
        module["type"] = f"sentence_transformers.models.{kind}"
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "0_Transformer").mkdir()
    for file in list(folder.iterdir()):
        if file.is_file() and file.name not in ("modules.json", "config_sentence_transformers.json", "README.md"):
            file.rename(folder / "0_Transformer" / file.name)
    (folder / "0_Transformer" / "sentence_bert_config.json").write_text('{"max_seq_length": 38}', encoding="utf-8")


def difference(theirs, ours, names=(None,)):
    """The largest difference of the vectors of the same texts, with each prompt."""
    found = 0.0
    for name in names:
        want = theirs.encode(TEXTS, prompt_name=name, batch_size=3)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="1 of 7 texts have more than")
            got = ours.encode(TEXTS, prompt_name=name, batch_size=4)
        assert got.shape == want.shape and got.dtype == np.float32
        found = max(found, float(np.abs(got - want).max()))
    return found


def main(arguments):
    from sentence_transformers import SentenceTransformer

    from b4k3.tasks import TextEncoder

    for name in LAYOUTS:
        folder = pathlib.Path(tempfile.mkdtemp()) / name
        theirs = make(name, folder)
        print(f"{name:24} {difference(theirs, TextEncoder.from_folder(folder)):.1e}")
    for folder in arguments:
        theirs = SentenceTransformer(folder, device="cpu")
        print(f"{folder:24} {difference(theirs, TextEncoder.from_folder(folder)):.1e}")


if __name__ == "__main__":
    main(sys.argv[1:])
