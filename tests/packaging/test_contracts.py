"""What the design promises of the source: who may import whom and what, how large things are, what is not done.

Every test collects what breaks its rule, as 'file:line what', and wants that list empty.
"""

import ast
import re
import statistics
import sys

import pytest

from support.workspace import FRAMEWORKS, PACKAGES, ROOT, folder, imported_modules, module_name, read_toml, sources

# package -> the siblings that it may import
ARROWS = {
    "tokenizers": set(),
    "backend": set(),
    "snippets": {"tokenizers", "backend"},
    "layers": {"backend"},
    "optimizers": {"backend"},
    "models": {"layers", "backend"},
    "tasks": {"models", "layers", "optimizers", "tokenizers", "backend"},
}
# The command line of b4k3-models may use the tokenizers.
EXTRA_ARROWS = {"b4k3.models.cli.text_input": {"tokenizers"}}
# Third-party modules that a package uses where they are installed, and does without where they are not.
OPTIONAL = {
    "backend": FRAMEWORKS,
    "models": {"h5py", "google_crc32c", "crc32c", "onnx", "onnxruntime", "openvino"},
    "snippets": {"bottle"},
    "tasks": {"matplotlib", "prometheus_client", "pyarrow", "ray", "starlette", "uvicorn"},
    "tokenizers": {"sentencepiece"},
}
# Type checkers know these without an installation. They are imported under `if TYPE_CHECKING:` alone.
FOR_TYPE_CHECKERS = {"typing_extensions"}
FRAMEWORK_FOLDERS = ("b4k3.backend._keras2", "b4k3.backend._keras3")
UNPICKLERS = {"pickle", "marshal", "shelve", "dill", "joblib"}


def read(path):
    return path.read_text(encoding="utf-8")


def tree(path):
    """The syntax tree, in the grammar of the oldest Python."""
    return ast.parse(read(path), filename=str(path), feature_version=(3, 7))


def where(path, line, what):
    return f"{path.relative_to(ROOT)}:{line} {what}"


def imports(path):
    """[(first component of the imported module, second or '', 'file:line module')]"""
    return [tuple((name + ".").split(".")[:2]) + (where(path, line, name),) for name, line in imported_modules(path)]


def nodes(*kinds):
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, kinds):
                yield path, node


def declared(package):
    """{distribution: requirement} of what a package needs."""
    requirements = read_toml(folder(package) / "pyproject.toml")["project"]["dependencies"]
    return {re.match(r"[\w-]+", requirement).group(): requirement for requirement in requirements}


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows(package):
    broken = []
    for path in sources(package):
        allowed = ARROWS[package] | {package, ""} | EXTRA_ARROWS.get(module_name(path), set())
        broken += [at for first, second, at in imports(path) if first == "b4k3" and second not in allowed]
    assert not broken


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_are_declared(package):
    assert {name for name in declared(package) if name.startswith("b4k3-")} == {"b4k3-" + p for p in ARROWS[package]}


@pytest.mark.parametrize("package", PACKAGES)
def test_third_party_imports_are_declared(package):
    known = {name.replace("-", "_") for name in declared(package)} | set(sys.stdlib_module_names) | {"b4k3"}
    known |= OPTIONAL.get(package, set()) | FOR_TYPE_CHECKERS
    assert not [at for path in sources(package) for first, _, at in imports(path) if first not in known]


def test_what_only_type_checkers_know_is_not_imported():
    at_run_time = []
    for path in sources():
        blocks = [n for n in ast.walk(tree(path)) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
        for_checkers = {line for block in blocks for n in block.body for line in range(n.lineno, n.end_lineno + 1)}
        found = [(name, line) for name, line in imported_modules(path) if name.split(".")[0] in FOR_TYPE_CHECKERS]
        at_run_time += [where(path, line, name) for name, line in found if line not in for_checkers]
    assert not at_run_time


def test_only_two_folders_import_a_framework():
    outside = [path for path in sources() if not module_name(path).startswith(FRAMEWORK_FOLDERS)]
    assert not [at for path in outside for first, _, at in imports(path) if first in FRAMEWORKS]


def test_python_3_7_can_read_it():
    """Annotations are postponed wherever there are any; `tree` refuses newer grammar."""
    annotated = {path for path, node in nodes(ast.arg, ast.FunctionDef, ast.AnnAssign) if has_annotation(node)}
    assert not [path for path in annotated if "from __future__ import annotations" not in read(path)]


def has_annotation(node):
    return getattr(node, "annotation", None) is not None or getattr(node, "returns", None) is not None


def test_no_lambda_layer():
    calls = [(path, node, getattr(node.func, "attr", getattr(node.func, "id", ""))) for path, node in nodes(ast.Call)]
    assert not [where(path, node.lineno, name) for path, node, name in calls if name == "Lambda"]


def test_nothing_is_unpickled():
    assert not [at for path in sources() for first, _, at in imports(path) if first in UNPICKLERS]
    keywords = [(path, node) for path, node in nodes(ast.keyword) if node.arg == "allow_pickle"]
    assert not [where(p, k.value.lineno, "allow_pickle") for p, k in keywords if ast.unparse(k.value) != "False"]


def test_no_hand_in_sys_modules():
    targets = [
        (path, target)
        for path, node in nodes(ast.Assign, ast.AugAssign, ast.Delete)
        for target in getattr(node, "targets", None) or [node.target]
    ]
    assert not [where(p, t.lineno, ast.unparse(t)) for p, t in targets if ast.unparse(t).startswith("sys.modules")]


def test_files_are_not_too_long():
    lengths = {path: len(read(path).splitlines()) for path in sources()}
    assert not [where(path, length, "lines") for path, length in lengths.items() if length > 600]


def test_functions_are_short():
    """Nine in ten have at most 35 lines, the docstring apart."""
    lengths = [length_without_docstring(node) for _, node in nodes(ast.FunctionDef)]
    assert statistics.quantiles(lengths, n=10)[-1] <= 35


def length_without_docstring(function):
    length = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        length -= docstring.end_lineno - docstring.lineno + 1
    return length


@pytest.mark.parametrize("package", PACKAGES)
def test_namespace_stays_open(package):
    assert not (folder(package) / "src" / "b4k3" / "__init__.py").exists()
    assert (folder(package) / "src" / "b4k3" / package / "py.typed").exists()


# Banner -> the methods that may stand below it, if a class has them.
BANNERS = {
    "inputs": "get_inputs",
    "embeddings": "apply_embeddings embed embed_tokens position_input embed_positions normalize_embeddings "
    "drop_embeddings map_embeddings compute_position_bias relative_positions",
    "blocks": "apply_main_layers apply_block apply_attention apply_feed_forward attention_scale_of residual normalize "
    "compute_attention_bias group block_name add_convolution project_positions epsilon",
    "heads": "apply_final_layers apply_mlm apply_lm project",
    "weights": "initializer load_variable sizes written_description",
}
ARCHITECTURES = [path for path in sources("models") if path.parent.name == "architectures"]


def misplaced(source):
    """The banners of a class that are out of order, and the methods below another banner than BANNERS says."""
    lines, order = source.splitlines(), list(BANNERS)
    for cls in (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)):
        banners = []
        for number in range(cls.lineno, cls.end_lineno + 1):
            found = re.match(r"    # -{20,} (\w+)$", lines[number - 1])
            if found:
                banners.append((number, found.group(1)))
        names = [name for _, name in banners]
        if names != [name for name in order if name in names]:
            yield f"{cls.name}: {', '.join(names)}"
        for method in (node for node in cls.body if isinstance(node, ast.FunctionDef)):
            above = [name for number, name in banners if number < method.lineno]
            if method.name not in ("__init__", "build", "name_of") and (
                not above or method.name not in BANNERS[above[-1]].split()
            ):
                yield f"{cls.name}.{method.name} is below {above[-1:]}"


@pytest.mark.parametrize("path", ARCHITECTURES, ids=module_name)
def test_architectures_have_one_order_of_methods(path):
    assert not list(misplaced(read(path)))


def test_another_order_is_found():
    banner = "    # " + "-" * 40
    source = f"class A:\n{banner} heads\n    def apply_mlm(self): pass\n{banner} blocks\n    def embed(self): pass\n"
    assert list(misplaced(source)) == ["A: heads, blocks", "A.embed is below ['blocks']"]
