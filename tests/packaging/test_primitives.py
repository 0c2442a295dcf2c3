"""Primitives of b4k3-backend: what differs between Keras 2 and Keras 3 is in both folders, and no name in many places.

CONTRIBUTING.md, "Add a primitive", says which places.
"""

import ast
import collections

from b4k3 import backend
from support.workspace import folder, sources

SOURCE = folder("backend") / "src" / "b4k3" / "backend"
# Names that only Keras 3 needs, and why nobody asks Keras 2 for them.
KERAS_3_ALONE = {"fused.fused_attention": "attention_dtype says that Keras 2 has none"}
# Names that nearly every module needs, so that `_environment` has them beside the folders.
EVERYWHERE = {"keras", "ops", "register"}
NOT_MODULES = EVERYWHERE | {"load"}  # of `_environment`; its other names are modules of a folder


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def defined(path):
    """The names that a module defines or hands on, once for each place."""
    found = collections.Counter()
    pending = list(tree(path).body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] += 1
        elif isinstance(node, (ast.If, ast.Try)):
            pending += node.body + node.orelse
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.name for alias in node.names if alias.asname == alias.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(target.id for target in targets if isinstance(target, ast.Name))
            names = getattr(node.value, "keys", [])  # of a table such as `_NAMES`
            found.update(name.value for name in names if isinstance(name, ast.Constant))
    return found


def test_no_public_name_stands_in_more_than_four_places():
    places = collections.Counter()
    for path in sources("backend"):
        if "ops" not in path.parts and path.name != "k.py":  # those have Keras' names, for another purpose
            places.update(defined(path))
    assert places["write_at"] == 4  # one function for each Keras, and two lines of __init__
    assert not {name: places[name] for name in backend._NAMES if places[name] > 4 and name not in EVERYWHERE}


def taken_from_folders():
    """'module.name' of all that b4k3-backend takes from the folder of this environment."""
    found = {f"{module[len('_keras3.') :]}.{name}" for name, module in backend._NAMES.items() if "_keras3." in module}
    for path in SOURCE.glob("*.py"):
        modules = {}
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "_environment":
                modules.update((alias.name, alias.name) for alias in node.names if alias.name not in NOT_MODULES)
            elif isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("load("):
                modules[node.targets[0].id] = node.value.args[0].value
        found |= {
            f"{modules[node.value.id]}.{node.attr}"
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        }
    return found - {name for name in found if name.startswith("k.")}  # K answers to the names that a Keras has


def test_what_is_taken_from_a_folder_is_in_both():
    taken = taken_from_folders()
    assert {"fused.rows_at", "compiling.write_at", "devices.gpu_count", "layer.register"} <= taken
    lacking = {}
    for path in ("_keras2", "_keras3"):
        for name in taken:
            module, _, attribute = name.partition(".")
            if attribute not in defined(SOURCE / path / f"{module}.py"):
                lacking[name] = path
    assert lacking == {name: "_keras2" for name in KERAS_3_ALONE}
