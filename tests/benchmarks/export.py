"""Our exported files beside transformers, onnxruntime, OpenVINO and CTranslate2 in one run.

    hatch run bench:export                                MiniLM, 500 Chinese and 500 English sentences
    hatch run bench:export --model base --sentences 64    a random network of the size of BERT-base

`b4k3 export` writes the files, in float32 and with --int8, and their sizes are told. onnxruntime and OpenVINO run them,
and also the graph that torch's exporter makes of transformers' own network, which onnxruntime's optimizer has fused.
Texts, batches, means, rounds and ratios are those of `bench:encode`. Vectors are compared with those of transformers: a
cosine of 0.9999 for each text in float32 and of 0.9 in int8, or the contender is not measured. The mean cosine is told.
"""

from __future__ import annotations

import os

from text_peers import PEER, CTranslate2, Onnx, OpenVINO, Peer, Transformers, arguments_of, compare


class File(Onnx):
    """A file of ours in onnxruntime."""

    file = "float/model.onnx"

    def __init__(self, folder, args):
        self.path = os.path.join(args.files, self.file)
        super().__init__(folder, args)

    def prepare(self, model):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        self.session = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        self.names = [x.name for x in self.session.get_inputs()]

    def hidden(self, ids, mask, rows):
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
        return self.session.run(["last_hidden_state"], {name: feed[name] for name in self.names})[0]


class Fused(File):
    """The same file after onnxruntime's optimizer for BERT."""

    def prepare(self, model):
        from onnxruntime.transformers import optimizer

        sizes = {"num_heads": model.config.num_attention_heads, "hidden_size": model.config.hidden_size}
        fused = optimizer.optimize_model(self.path, "bert", opt_level=0, **sizes)
        self.path += ".fused"
        fused.save_model_to_file(self.path)
        super().prepare(model)


class Int8(File):
    """The file of --int8 in onnxruntime."""

    file, least = "int8/model.onnx", 0.9


class OpenVINOFile(File):
    """The file of --format openvino."""

    needs = Peer.needs + ("openvino",)
    file = "openvino/openvino_model.xml"

    def prepare(self, model):
        import openvino

        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": self.threads}
        settings["INFERENCE_PRECISION_HINT"] = "f32"
        network = openvino.Core().compile_model(self.path, "CPU", settings)
        self.request = network.create_infer_request()
        self.names = [x.get_any_name() for x in network.inputs]

    def hidden(self, ids, mask, rows):
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
        return self.request.infer({name: feed[name] for name in self.names})["last_hidden_state"]


class OpenVINOInt8(OpenVINOFile):
    """The file of --format openvino --int8."""

    file, least = "openvino-int8/openvino_model.xml", 0.9


class CTranslate2Int8(CTranslate2):
    """CTranslate2, in int8."""

    kind, least = "int8", 0.9


CONTENDERS = {
    PEER: (Transformers, "torch"),
    "onnxruntime": (Onnx, "torch"),
    "openvino": (OpenVINO, "torch"),
    "ctranslate2": (CTranslate2, "torch"),
    "ctranslate2-int8": (CTranslate2Int8, "torch"),
    "b4k3-onnx": (File, "torch"),
    "b4k3-onnx-fused": (Fused, "torch"),
    "b4k3-openvino": (OpenVINOFile, "torch"),
    "b4k3-int8": (Int8, "torch"),
    "b4k3-openvino-int8": (OpenVINOInt8, "torch"),
}
FILES = {
    "float": [],
    "int8": ["--int8"],
    "openvino": ["--format", "openvino"],
    "openvino-int8": ["--format", "openvino", "--int8"],
}


def write_files(folder, work, args):
    """Let `b4k3 export` write the files."""
    os.environ["KERAS_BACKEND"] = "torch"
    from b4k3.models.cli import main as b4k3
    from b4k3.tasks.commands import COMMANDS

    args.files = str(work / "files")
    for name, options in FILES.items():
        target = os.path.join(args.files, name)
        if not b4k3(["export", str(folder), target, "--task", "features"] + options, COMMANDS):  # it says the path
            sizes = {x.name: x.stat().st_size for x in os.scandir(target) if "model." in x.name}
            print(", ".join(f"{name}/{file}: {size / 1e6:.1f} MB" for file, size in sorted(sizes.items())), flush=True)


def main():
    args = arguments_of(__doc__).parse_args()
    args.least = 0.9999
    compare(CONTENDERS, args, write_files)


if __name__ == "__main__":
    main()
