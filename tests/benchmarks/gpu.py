"""Forward pass, training step, decoding and text features on one GPU: b4k3 on PyTorch and on JAX beside transformers.

    python tests/benchmarks/gpu.py [--json FILE] [--only b4k3-torch,b4k3-jax,transformers] [--sections forward,train]
    python tests/benchmarks/gpu.py --small          # small models on the CPU: whether the script works, no figures

It needs torch and JAX with CUDA, keras, transformers and the packages of b4k3, and no network: it writes random
checkpoints of the shapes of BERT-base and GPT-2 into a temporary folder, which all contenders load.

    forward    last hidden states of 32 × 128 ids with padding, float32 without TF32, from numpy to numpy
    train      one step of AdamW on the same batch in mixed bfloat16, with dropout 0.1
    decode     64 greedy tokens after 8 prompts of 32 ids, float32
    features   texts to mean vectors, float32: 1024 texts of 5 to 60 words

Each contender has a process of its own, one after the other, and runs its sections in turn; a process that ends or
takes too long makes that section a row "failed", and a new process runs the sections that are left. A figure is the
median of runs after two that warm up. A ratio is b4k3 / transformers of work a second: above 1 b4k3 is faster.
"differs" is how far the answers are from what transformers gives: the largest difference, or the share of other tokens.
The processes do not alternate, as those of the other benchmarks do, so that differences of a few percent say nothing.

The exit status is 1 if a section failed or answers differ.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CONTENDERS = ("transformers", "b4k3-torch", "b4k3-jax")
SECTIONS = ("forward", "train", "decode", "features")
UNITS = {"forward": "sequences/s", "train": "sequences/s", "decode": "tokens/s", "features": "texts/s"}
TOLERANCES = {"forward": 2e-3, "decode": 0.0, "features": 2e-3}
LARGE = {
    "bert": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "gpt2": {"n_embd": 768, "n_layer": 12, "n_head": 12},
    "batch": 32, "length": 128, "prompts": 8, "prompt": 32, "new": 64, "texts": 1024, "vocabulary": 30522,
    "seconds": 3.0,
}  # fmt: skip
SMALL = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
    "batch": 4, "length": 16, "prompts": 2, "prompt": 4, "new": 4, "texts": 8, "vocabulary": 200,
    "seconds": 0.0,
}  # fmt: skip


# ---- data


def write_checkpoints(folder, sizes):
    """Write random checkpoints of BERT and GPT-2, as transformers writes them, and a vocabulary."""
    import torch
    import transformers

    torch.manual_seed(0)
    bert = transformers.BertConfig(
        vocab_size=sizes["vocabulary"], hidden_act="gelu", max_position_embeddings=512, **sizes["bert"]
    )
    transformers.BertModel(bert).save_pretrained(os.path.join(folder, "bert"))
    gpt2 = transformers.GPT2Config(vocab_size=sizes["vocabulary"], bos_token_id=0, eos_token_id=0, **sizes["gpt2"])
    transformers.GPT2LMHeadModel(gpt2).save_pretrained(os.path.join(folder, "gpt2"))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(sizes["vocabulary"] - 5)]
    with open(os.path.join(folder, "bert", "vocab.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(words) + "\n")


def batch(sizes):
    """Token ids with padding, segment ids and the mask, [batch, n] each."""
    import numpy as np

    ids = np.random.default_rng(0).integers(5, sizes["vocabulary"], (sizes["batch"], sizes["length"]))
    for i, n in enumerate(np.linspace(sizes["length"] // 3, sizes["length"], sizes["batch"]).astype(int)):
        ids[i, n:] = 0
    return {"input_ids": ids, "token_type_ids": np.zeros_like(ids), "attention_mask": (ids != 0).astype(int)}


def prompts(sizes):
    import numpy as np

    return np.random.default_rng(1).integers(5, sizes["vocabulary"], (sizes["prompts"], sizes["prompt"]))


def texts(sizes):
    import random

    draw = random.Random(2)
    words = [f"w{i}" for i in range(sizes["vocabulary"] - 5)]
    return [" ".join(draw.choices(words, k=draw.randint(5, 60))) for _ in range(sizes["texts"])]


# ---- contenders: a method for each section returns a function that does the work once and returns the answer


class Transformers:
    """transformers on PyTorch."""

    def __init__(self, folder, sizes):
        import torch
        import transformers

        self.torch, self.transformers = torch, transformers
        self.folder, self.sizes = folder, sizes
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.backends.cuda.matmul.allow_tf32 = False

    def name_of_device(self):
        return self.torch.cuda.get_device_name() if self.device == "cuda" else "cpu"

    def bert(self):
        return self.transformers.BertModel.from_pretrained(os.path.join(self.folder, "bert")).to(self.device)

    def tensors(self, arrays):
        return {name: self.torch.tensor(array, device=self.device) for name, array in arrays.items()}

    def forward(self):
        model, arrays = self.bert().eval(), batch(self.sizes)

        def run():
            with self.torch.inference_mode():
                return model(**self.tensors(arrays)).last_hidden_state.cpu().numpy()

        return run

    def train(self):
        model, arrays = self.bert().train(), batch(self.sizes)
        optimizer = self.torch.optim.AdamW(model.parameters(), lr=1e-5)

        def run():
            optimizer.zero_grad()
            with self.torch.autocast(self.device, dtype=self.torch.bfloat16):
                hidden = model(**self.tensors(arrays)).last_hidden_state
            loss = hidden.float().square().mean()
            loss.backward()
            optimizer.step()
            return float(loss.detach())

        return run

    def decode(self):
        model = self.transformers.GPT2LMHeadModel.from_pretrained(os.path.join(self.folder, "gpt2"))
        model.to(self.device).eval()
        ids, new = prompts(self.sizes), self.sizes["new"]
        options = {
            "do_sample": False,
            "max_new_tokens": new,
            "min_new_tokens": new,
            "eos_token_id": None,
            "pad_token_id": 0,
        }

        def run():
            tensor = self.torch.tensor(ids, device=self.device)
            mask = self.torch.ones_like(tensor)
            with self.torch.inference_mode():
                return model.generate(tensor, attention_mask=mask, **options)[:, ids.shape[1] :].cpu().numpy()

        return run

    def features(self):
        import numpy as np

        from tokenizers import BertWordPieceTokenizer

        tokenizer = BertWordPieceTokenizer(os.path.join(self.folder, "bert", "vocab.txt"))
        tokenizer.enable_padding()
        model, lines = self.bert().eval(), texts(self.sizes)
        order = sorted(range(len(lines)), key=lambda i: len(lines[i]))

        def vectors(rows):
            encodings = tokenizer.encode_batch([lines[i] for i in rows])
            names = {"input_ids": "ids", "token_type_ids": "type_ids", "attention_mask": "attention_mask"}
            arrays = {name: np.array([getattr(e, field) for e in encodings]) for name, field in names.items()}
            tensors = self.tensors(arrays)
            hidden, mask = model(**tensors).last_hidden_state, tensors["attention_mask"][..., None]
            return ((hidden * mask).sum(1) / mask.sum(1)).cpu().numpy()

        def run():
            found = np.zeros((len(lines), self.sizes["bert"]["hidden_size"]), "float32")
            with self.torch.inference_mode():
                for start in range(0, len(order), 64):
                    found[order[start : start + 64]] = vectors(order[start : start + 64])
            return found

        return run


class B4k3:
    """b4k3 on the backend that KERAS_BACKEND says."""

    def __init__(self, folder, sizes):
        import keras

        self.keras, self.folder, self.sizes = keras, folder, sizes
        if keras.config.backend() == "torch":
            import torch

            torch.backends.cuda.matmul.allow_tf32 = False

    def name_of_device(self):
        if self.keras.config.backend() == "jax":
            import jax

            return jax.devices()[0].device_kind
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"

    def bert(self, **arguments):
        from b4k3.models import build_transformer_model

        return build_transformer_model(os.path.join(self.folder, "bert"), **arguments)

    def forward(self):
        model, arrays = self.bert(), batch(self.sizes)
        return lambda: model.predict_on_batch(arrays)

    def train(self):
        import numpy as np

        self.keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            model = self.bert(dropout_rate=0.1, attention_dropout_rate=0.1)
        finally:
            self.keras.config.set_dtype_policy("float32")
        ops, arrays = self.keras.ops, batch(self.sizes)
        targets = np.zeros((self.sizes["batch"], 1), "float32")
        model.compile(
            optimizer=self.keras.optimizers.AdamW(1e-5),
            loss=lambda y_true, y_pred: ops.mean(ops.square(ops.cast(y_pred, "float32"))),
        )
        return lambda: float(model.train_on_batch(arrays, targets))

    def decode(self):
        from b4k3.models import build_transformer_model

        transformer = build_transformer_model(os.path.join(self.folder, "gpt2"), return_keras_model=False)
        ids, new = prompts(self.sizes), self.sizes["new"]
        return lambda: transformer.generate(ids, max_new_tokens=new, min_new_tokens=new)

    def features(self):
        from b4k3.tasks import TextEncoder

        encoder, lines = TextEncoder.from_folder(os.path.join(self.folder, "bert"), pooling="mean"), texts(self.sizes)
        return lambda: encoder.encode(lines)


# ---- a process


def child(args, sizes):
    """Run the sections of one contender; print what each took as a line of JSON, and keep its answer in the folder."""
    if args.child == "checkpoints":
        write_checkpoints(args.folder, sizes)
        report(section="checkpoints")
        return
    contender = (Transformers if args.child == "transformers" else B4k3)(args.folder, sizes)
    for section in args.sections.split(","):
        report(started=section)
        device = contender.name_of_device()
        if not args.small and device.lower() == "cpu":
            raise RuntimeError("there is no GPU that this contender sees; --small runs on the CPU")
        run = getattr(contender, section)()
        seconds = measured(run, sizes["seconds"], os.path.join(args.folder, f"{args.child}-{section}.npy"))
        report(section=section, seconds=seconds, rate=work(section, sizes) / seconds, device=device)


def work(section, sizes):
    """The number of units that one run of a section does."""
    decoded = sizes["prompts"] * sizes["new"]
    return {"forward": sizes["batch"], "train": sizes["batch"], "decode": decoded, "features": sizes["texts"]}[section]


def measured(run, budget, path):
    """Return the median of the seconds of a run, and write the answer of the first."""
    import numpy as np

    np.save(path, np.asarray(run()))
    if budget:
        run()
    times, end = [], time.perf_counter() + budget
    while not times or (time.perf_counter() < end and len(times) < 50):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def report(**fields):
    print("GPU-BENCHMARK " + json.dumps(fields), flush=True)


# ---- the parent


def environment(contender, small):
    """The variables of the process of a contender."""
    variables = dict(os.environ, HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TF_CPP_MIN_LOG_LEVEL="3")
    variables["KERAS_BACKEND"] = "jax" if contender.endswith("jax") else "torch"
    variables["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"  # float32 is float32, as on torch; bfloat16 is not touched
    if small:
        variables.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu")
    return variables


def lines_of(process):
    """A queue of the lines that a process prints, with None at its end."""
    found = queue.Queue()

    def read():
        for line in process.stdout:
            found.put(line)
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    return found


def run_process(contender, sections, folder, args, deadline):
    """Run sections in a process; return {section: result}, with the failure of the one at which it ended."""
    command = [sys.executable, os.path.abspath(__file__), "--child", contender, "--folder", folder]
    command += ["--sections", ",".join(sections)] + (["--small"] if args.small else [])
    with open(os.path.join(folder, "errors.txt"), "w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(contender, args.small)
        )
        lines, results, current, reason = lines_of(process), {}, sections[0], None
        limit = time.monotonic() + args.limit
        try:
            while reason is None:
                try:
                    line = lines.get(timeout=max(0.0, min(limit, deadline) - time.monotonic()))
                except queue.Empty:
                    reason = f"it took more than {args.limit} s" if limit < deadline else "no time was left"
                    break
                if line is None:
                    break
                if line.startswith("GPU-BENCHMARK "):
                    fields = json.loads(line.split(" ", 1)[1])
                    current = fields.get("started", current)
                    if "section" in fields:
                        results[fields["section"]] = fields
                    limit = time.monotonic() + args.limit
        finally:
            process.kill()
            process.wait()
        if len(results) < len(sections):
            errors.seek(0)
            said = [line.strip() for line in errors if line.strip()]
            reason = reason or (said[-1] if said else f"exit status {process.returncode}")
            failed = next(section for section in sections if section not in results) if current in results else current
            results[failed] = {"section": failed, "failed": reason[:200]}
    return results


def run_contender(contender, sections, folder, args, deadline):
    """{section: result} of one contender, whose sections run on after one has failed."""
    results = {}
    while len(results) < len(sections):
        left = [section for section in sections if section not in results]
        if time.monotonic() >= deadline:
            results.update({section: {"section": section, "failed": "no time was left"} for section in left})
        else:
            results.update(run_process(contender, left, folder, args, deadline))
    return results


def difference(section, contender, folder):
    """How far the answer of a contender is from that of transformers; None if either is not there."""
    import numpy as np

    paths = [os.path.join(folder, f"{name}-{section}.npy") for name in (contender, "transformers")]
    if section not in TOLERANCES or not all(map(os.path.exists, paths)):
        return None
    mine, theirs = (np.load(path) for path in paths)
    if mine.shape != theirs.shape:
        return float("inf")
    if section == "decode":
        return float((mine != theirs).mean())
    if section == "forward":  # what stands at padding is nobody's business
        known = np.load(os.path.join(folder, "mask.npy")).astype(bool)
        mine, theirs = mine[known], theirs[known]
    return float(np.abs(mine - theirs).max())


def table(results, sections):
    """The lines of the table, and whether all is well."""
    fine = True
    lines = [f"{'section':<10} {'contender':<13} {'median s':>9} {'rate':>10} {'unit':<12} {'ratio':>6} {'differs':>9}"]
    for section in sections:
        for contender, found in results.items():
            result = found[section]
            if "failed" in result:
                fine = False
                lines.append(f"{section:<10} {contender:<13} failed: {result['failed']}")
                continue
            peer = results.get("transformers", {}).get(section, {}).get("rate")
            result["ratio"] = ratio = result["rate"] / peer if peer and contender != "transformers" else None
            differs = result.get("differs")
            differs_too_much = differs is not None and not differs <= TOLERANCES[section]
            fine = fine and not differs_too_much
            lines.append(
                f"{section:<10} {contender:<13} {result['seconds']:9.4f} {result['rate']:10.1f} {UNITS[section]:<12} "
                f"{'' if ratio is None else f'{ratio:.2f}':>6} {'' if differs is None else f'{differs:.1e}':>9}"
                + ("  TOO FAR" if differs_too_much else "")
            )
    return lines, fine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="small models, on the CPU")
    parser.add_argument("--only", default=",".join(CONTENDERS), help="contenders")
    parser.add_argument("--sections", default=",".join(SECTIONS))
    parser.add_argument("--json", default="", help="where the results are written too")
    parser.add_argument("--limit", type=float, default=75, help="seconds for a section, its imports included")
    parser.add_argument("--total", type=float, default=345, help="seconds for everything")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    sizes = SMALL if args.small else LARGE
    if args.child:
        child(args, sizes)
        return 0
    contenders, sections = args.only.split(","), args.sections.split(",")
    for name, known in [(name, CONTENDERS) for name in contenders] + [(name, SECTIONS) for name in sections]:
        if name not in known:
            parser.error(f"{name} is none of {', '.join(known)}")
    import numpy as np

    deadline = time.monotonic() + args.total
    with tempfile.TemporaryDirectory() as folder:
        made = run_process("checkpoints", ["checkpoints"], folder, args, deadline)["checkpoints"]
        if "failed" in made:
            print(f"checkpoints failed: {made['failed']}")
            return 1
        np.save(os.path.join(folder, "mask.npy"), batch(sizes)["attention_mask"])
        results = {name: run_contender(name, sections, folder, args, deadline) for name in contenders}
        for contender in contenders:
            for section, result in results[contender].items():
                if contender != "transformers" and "failed" not in result:
                    result["differs"] = difference(section, contender, folder)
    lines, fine = table(results, sections)
    devices = sorted(
        {result["device"] for found in results.values() for result in found.values() if "device" in result}
    )
    print(f"on {', '.join(devices) or 'no device'}", *lines, sep="\n")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"small": args.small, "devices": devices, "results": results, "fine": fine}, file, indent=1)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
