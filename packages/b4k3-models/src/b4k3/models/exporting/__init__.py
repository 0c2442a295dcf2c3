"""Models as files of other programs: ONNX, OpenVINO, TensorFlow's SavedModel, LiteRT and `torch.export`.

`export` writes them. A graph (`model_graph`) says what goes in and comes out, a format (`formats`) says who traces it
and what must be installed, and `handover` gives the graph to a process on another backend of Keras if need be.
"""

from .exports import export as export
from .formats import FORMATS as FORMATS
from .onnx_int8 import quantise_onnx as quantise_onnx

__all__ = ["FORMATS", "export", "quantise_onnx"]
