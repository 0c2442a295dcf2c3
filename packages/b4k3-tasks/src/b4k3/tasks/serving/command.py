"""`b4k3 serve`: the tasks of a folder over HTTP."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, Callable

from b4k3.models import ConfigError

from .limits import Limits, option

if TYPE_CHECKING:
    import argparse

HELP = "serve the tasks of a folder over HTTP, as OpenAI's clients ask for them"
EXAMPLES = """examples:
  b4k3 serve all-MiniLM-L6-v2
  b4k3 serve chinese_L-12_H-768_A-12 --task fill-mask --task encode --pooling mean
  B4K3_API_KEY=secret b4k3 serve gpt2 --host 0.0.0.0 --port 80

  curl http://127.0.0.1:8000/v1/embeddings -H 'Content-Type: application/json' -d '{"input": "a cat sleeps"}'

It needs pip install "b4k3-tasks[serve]". SIGTERM and Ctrl-C end it after the requests that have come are answered. A
page to try it is at http://127.0.0.1:8000/; docs/serving.md has the endpoints and the limits.
"""
KEY = "B4K3_API_KEY"
LIMIT_HELP = {
    "max_batch": "texts that go through the network together, a power of 2",
    "max_wait": "seconds that a text waits for others if the model is idle",
    "max_queue": "texts that may wait; more get the status 429",
    "max_streams": "streams that are generated at once, and as many may wait",
    "max_texts": "texts in a request",
    "max_tokens": "tokens in a request",
    "max_new_tokens": "tokens that may be generated for a text",
    "max_body": "bytes in a request",
    "max_connections": "open connections; further ones are closed",
    "timeout": "seconds until an answer, then the status 504",
    "read_timeout": "seconds for a request to come, then the status 408, and for an answer to be taken",
    "shutdown_timeout": "seconds for the last answers after SIGTERM",
}


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add("folder", help="a folder of sentence-transformers, of transformers, or of an original checkpoint")
    add(
        "--task",
        action="append",
        default=[],
        choices=("encode", "classify", "tag", "fill-mask", "generate"),
        help="what is served; several are possible (default: what the folder says it is for)",
    )
    add("--pooling", help="how encode makes one vector of a text, if the folder does not say it: mean, cls and so on")
    add("--application", choices=("lm", "unilm"), help="how generate uses a BERT, RoFormer or NEZHA")
    add("--maxlen", type=int, help="tokens in a text (default: what the folder says)")
    add("--vocab", metavar="FILE", help="vocabulary, if it is not in the folder")
    add("--case", choices=("auto", "lower", "keep"), default="auto", help="lower-case the texts (default: auto)")
    add("--name", help="the name of the model in requests (default: the name of the folder)")
    add("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 is every one (default: %(default)s)")
    add("--port", type=int, default=8000, help="port to listen on; 0 is a free one (default: %(default)s)")
    add("--api-key", metavar="KEY", help=f"key that requests must have (default: the environment's {KEY})")
    for name, value in Limits()._asdict().items():
        kind = type(value)
        add(option(name), type=kind, default=value, metavar="N", help=f"{LIMIT_HELP[name]} (default: {value:g})")


def run(args: argparse.Namespace, out: Callable[[str], Any]) -> int:
    """Run the command.

    Arguments:
        args: the parsed command line.
        out: function that writes a line of the output.

    Returns:
        int, the exit code.

    Raises:
        ConfigError: a limit makes no sense, the folder cannot be read, or the address cannot be used.
        CheckpointError: the checkpoint cannot be loaded.
        FileNotFoundError: there is no checkpoint or no vocabulary.
        ImportError: Starlette, uvicorn or prometheus-client is not installed.
    """
    require_packages()
    limits = Limits(*(getattr(args, name) for name in Limits._fields)).checked()
    key = args.api_key if args.api_key is not None else os.environ.get(KEY)
    if key is not None and (not key.strip() or not key.isascii()):
        raise ConfigError(f"--api-key or {KEY} is empty or not ASCII, so no request could have it")
    if key is None and args.host not in ("127.0.0.1", "localhost", "::1"):
        sys.stderr.write(f"note: anyone who reaches {args.host} may use the model; set --api-key or {KEY}\n")
    from .served_tasks import Opening, open_tasks
    from .server import run_server
    from .state import State

    warnings.filterwarnings("ignore", message=".* and were cut$")  # the client has asked for that
    arguments = {name: getattr(args, name) for name in ("maxlen", "vocab", "case")}
    tasks = open_tasks(args.folder, Opening(args.task, args.pooling, args.application, arguments))
    name = args.name or os.path.basename(os.path.abspath(args.folder))

    def announce(line: str) -> None:
        """Write a line at once, although the output may be a pipe."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    run_server(State(name, tasks, limits, key), args.host, args.port, announce)
    return 0


def require_packages() -> None:
    """Raise ImportError if a package of the extra `serve` is not installed."""
    import importlib

    for name in ("starlette", "uvicorn", "prometheus_client"):
        try:
            importlib.import_module(name)
        except ImportError:
            raise ImportError(f'b4k3 serve needs {name}: pip install "b4k3-tasks[serve]"') from None
