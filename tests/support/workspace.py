"""The packages of the workspace as files: where they are, what they say of themselves, what they import."""

import ast
import importlib.util
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ("backend", "layers", "models", "optimizers", "snippets", "tasks", "tokenizers")
PYTHONS = ("3.7", "3.10", "3.12", "3.13")  # on which the wheels are installed, beside the Pythons of the rows
FRAMEWORKS = {"keras", "tf_keras", "tensorflow", "jax", "jaxlib", "torch"}


def folder(package):
    return ROOT / "packages" / ("b4k3-" + package if package else "b4k3")


def sources(*packages):
    """Every Python file of the packages (of all without arguments)."""
    return [path for package in packages or PACKAGES for path in sorted((folder(package) / "src").rglob("*.py"))]


def module_name(path):
    """packages/b4k3-layers/src/b4k3/layers/norm.py -> b4k3.layers.norm"""
    parts = path.with_suffix("").parts
    parts = parts[len(parts) - parts[::-1].index("src") :]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def load_script(path):
    """Import a Python file that belongs to no package, such as demo/demo.py."""
    spec = importlib.util.spec_from_file_location(path.stem, str(path))
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def read_toml(path):
    import tomllib

    return tomllib.loads(path.read_text(encoding="utf-8"))


def imported_modules(path):
    """The absolute names of the modules that a file imports, anywhere in it, as [(name, line)].

    `from b4k3.layers import norm` counts as both b4k3.layers and b4k3.layers.norm, and
    `importlib.import_module("keras")` as keras.
    """
    found = []
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(base + ([node.module] if node.module else []))
            found += [(base, node.lineno)] + [(base + "." + alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            if node.args and isinstance(node.args[0], ast.Constant) and not str(node.args[0].value).startswith("."):
                found.append((node.args[0].value, node.lineno))
    return found
