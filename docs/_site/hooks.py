"""What mkdocs.yml does not say: pages that are made of other files, and links that work on the site and on a code host.

- `api/PACKAGE.md` lists the public names of a package, which its `__init__` has in the table `_NAMES`. mkdocstrings
  fills in their docstrings. The packages are read, not imported, so no Keras is needed.
- A link that leaves docs/, such as `../examples/ner_crf.py`, leads to a page of the site with the text of that file,
  `source/examples/ner_crf.py.md`. A file of Markdown, such as `../CONTRIBUTING.md`, becomes a page with links like any.
- In Chinese text a line break is no space.
- The line with the other language at the top of a page is for readers on a code host; the site has a menu for it.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
from pathlib import Path

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, InclusionLevel

ROOT = Path(__file__).resolve().parents[2]
LANGUAGE_LINE = re.compile(r"^\[(中文|English)\]\([\w.-]+\)\n\n", re.M)
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)((?:#[^)\s]*)?)(?=\))")
CHINESE = ".zh-CN.md"
# A line break between two Chinese characters, or behind Chinese punctuation and before text
BREAK = re.compile(
    r"(?<=[\u2018-\u201d\u3000-\u9fff\uff00-\uffef])\n {0,3}(?=[\u2018-\u201d\u3000-\u9fff\uff00-\uffef])"
)
PUNCTUATION_BREAK = re.compile(r"(?<=[，。；：、（）])\n {0,3}(?=[A-Za-z\[`])(?!```)")
FENCED = re.compile(r"(^```.*?^```$)", re.M | re.S)
# page -> (folder, package)
API = {
    "backend": ("packages/b4k3-backend/src/b4k3/backend", "b4k3.backend"),
    "layers": ("packages/b4k3-layers/src/b4k3/layers", "b4k3.layers"),
    "models": ("packages/b4k3-models/src/b4k3/models", "b4k3.models"),
    "checkpoints": ("packages/b4k3-models/src/b4k3/models/checkpoints", "b4k3.models.checkpoints"),
    "optimizers": ("packages/b4k3-optimizers/src/b4k3/optimizers", "b4k3.optimizers"),
    "snippets": ("packages/b4k3-snippets/src/b4k3/snippets", "b4k3.snippets"),
    "tasks": ("packages/b4k3-tasks/src/b4k3/tasks", "b4k3.tasks"),
    "tokenizers": ("packages/b4k3-tokenizers/src/b4k3/tokenizers", "b4k3.tokenizers"),
}


@event_priority(100)  # before mkdocstrings looks
def on_config(config):
    """Tell mkdocstrings where the packages are."""
    handlers = config.plugins["mkdocstrings"].config.handlers
    handlers["python"]["paths"] = [str(path) for path in sorted(ROOT.glob("packages/*/src"))]
    return config


@event_priority(-200)  # after the plugin i18n, which chooses the files of a language and cannot take generated ones
def on_files(files, config):
    """Add a page for each package, and one for each file outside of docs/ that a page links to."""
    language = config.plugins["i18n"].current_language
    pages = {f"api/{page}.md": api_page(page) if language == "en" else api_names(page) for page in API}
    wanted = {path for file in files if file.src_uri.endswith(".md") for path in links_out(file.content_string, "docs")}
    while wanted:
        path = wanted.pop()
        if page_of(path) not in pages and (ROOT / path).exists():
            pages[page_of(path)] = content = source_page(path)
            if path.endswith(".md"):
                wanted |= links_out(content, posixpath.dirname(path))
    for name, content in pages.items():
        file = File.generated(config, name, content=content, inclusion=InclusionLevel.NOT_IN_NAV)
        if name.startswith("api/"):
            file.inclusion = InclusionLevel.INCLUDED
        if language != "en":  # the default one, whose pages lie at the top
            file.dest_uri = f"{language}/{file.dest_uri}"
        files.append(file)
    return files


def on_page_markdown(markdown, page, config, files):
    """Drop the line with the other language, and turn links out of docs/ to the pages made above."""
    own = page.file.src_uri
    folder = posixpath.dirname(own)
    base = posixpath.normpath(posixpath.join("docs", folder))  # where the page is in the repository
    if own.startswith("source/"):
        base = posixpath.dirname(own[len("source/") :])

    def turned(match):
        path = in_repository(base, match.group(1))
        if path.startswith("docs/"):
            # each language has pages of its own, under one name
            target = path[len("docs/") :].replace(CHINESE, ".md")
        elif files.get_file_from_path(page_of(path)) is not None:
            target = page_of(path)
        else:
            return match.group(1) + match.group(2)
        return posixpath.relpath(target, folder or ".") + match.group(2)

    markdown = LINK.sub(turned, LANGUAGE_LINE.sub("", markdown))
    if config.plugins["i18n"].current_language == "en":
        return markdown
    return "".join(part if part.startswith("```") else joined(part) for part in FENCED.split(markdown))


def joined(text):
    """Chinese text without the spaces that line breaks would become."""
    return PUNCTUATION_BREAK.sub("", BREAK.sub("", text))


@event_priority(-300)  # after i18n, which builds the other languages and then joins their indexes
def on_post_build(config):
    """Make the index for pages opened from disk again: `offline` has made it of the last language alone."""
    folder = Path(config.site_dir) / "search"
    index = (folder / "search_index.json").read_text(encoding="utf-8")
    (folder / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")


# ----------------------------------------------------------------------------------------------------- reference


def api_page(page):
    """The Markdown of one page of the reference: the docstring of the package, then a directive for each name."""
    lines = [f"# {API[page][1]}", "", (ast.get_docstring(package_tree(page)) or "").strip(), ""]
    return "\n".join(lines + [f"::: {full_name}\n" for _, full_name in public_names(page)])


def api_names(page):
    """The Markdown of the page in another language: the names, with links to the English page."""
    lines = [f"# {API[page][1]}", "", "API 参考由代码中的 docstring 生成，只有英文。", ""]
    target = f"../../api/{page}.html"
    return "\n".join(
        lines + [f'- <a href="{target}#{full}"><code>{name}</code></a>' for name, full in public_names(page)]
    )


def package_tree(page):
    return ast.parse((ROOT / API[page][0] / "__init__.py").read_text(encoding="utf-8"))


def public_names(page):
    """[(public name, the dotted name of its definition)] of a package, read from its `__init__`: functions first."""
    package, tree = API[page][1], package_tree(page)
    tables = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            tables[node.targets[0].id] = node.value
    if page in ("optimizers", "snippets"):  # its table is module -> names
        modules = ast.literal_eval(tables["_MODULES"])
        where = {name: module for module, names in modules.items() for name in names.split()}
    elif "_NAMES" in tables:
        where = ast.literal_eval(tables["_NAMES"])
    else:
        where = {name: imports(tree)[name] for name in ast.literal_eval(tables["__all__"])}
    full = {}
    for name, module in where.items():
        if name not in ("keras", "ops"):  # modules of Keras
            module = module if module.startswith("b4k3.") else f"{package}.{module.lstrip('.')}"
            full[name] = f"{module}.{name}"
    return sorted(full.items(), key=lambda item: (item[0][0].isupper(), item[0].lower()))


def imports(tree):
    """{name: module} of what a module imports from its own package; the dots that lead there stay with the module."""
    relative = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level]
    return {alias.name: "." * (node.level - 1) + node.module for node in relative for alias in node.names}


# ------------------------------------------------------------------------------------- files outside of docs/


def in_repository(base, link):
    """The path in the repository that a link leads to, from a page in the folder `base`."""
    return posixpath.normpath(posixpath.join(base, link))


def links_out(markdown, base):
    """The paths in the repository, outside of docs/, that the links of a page lead to."""
    found = {in_repository(base, link) for link, _ in LINK.findall(markdown)}
    return {path for path in found if not path.startswith(("docs/", ".."))}


def page_of(path):
    """examples/ner_crf.py -> source/examples/ner_crf.py.md"""
    return f"source/{path}" if path.endswith(".md") else f"source/{path}.md"


def source_page(path):
    """The Markdown that shows a file as it is, or lists a folder. A file of Markdown is that already."""
    if path.endswith(".md"):
        return (ROOT / path).read_text(encoding="utf-8")
    title = f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n"
    if (ROOT / path).is_dir():
        names = sorted(os.listdir(ROOT / path))
        return title + "\n".join(f"- `{name}`" for name in names if not name.startswith(("_", ".")))
    text = (ROOT / path).read_text(encoding="utf-8")
    language = {".py": "python", ".toml": "toml", ".json": "json"}.get(Path(path).suffix, "text")
    fence = "`" * max(4, max(map(len, re.findall(r"`+", text)), default=0) + 1)
    return f"{title}{fence}{language}\n{text}\n{fence}\n"
