"""The pages of docs/: their code prints what they say, translations have the same code, links lead somewhere."""

import re
import shutil
import tarfile
import urllib.parse

import numpy as np
import pytest

from b4k3.backend import environment
from support import page_folders, pages
from support.goldens import ROOT as GOLDENS
from support.workspace import folder as folder_of, read_toml

ROOT = pages.ROOT
ENGLISH, CHINESE = pages.pages(), pages.pages(".zh-CN")
HAS_CODE = [name for name in ENGLISH if any(block.language in pages.RUN for block in pages.blocks(ENGLISH[name]))]
MINILM = "uncased_L-6_H-384_A-12"  # what `hatch run demo` writes


@pytest.fixture
def folder(minilm, tmp_path, monkeypatch):
    """The folder in which a page runs, with the files that the pages name."""
    monkeypatch.chdir(tmp_path)
    for name in (MINILM, "m3e-base"):
        (tmp_path / name).mkdir()
        for file in minilm.iterdir():
            (tmp_path / name / file.name).symlink_to(file)
    for name in ("bert_config.json", "best_model.weights", "best_model.h5"):
        shutil.copy(str(GOLDENS / "bert4keras_files" / name), name)
    with tarfile.open(str(GOLDENS / "sentencepiece" / "models.tar.xz")) as models:
        (tmp_path / "spiece.model").write_bytes(models.extractfile("t5_like.model").read())
    page_folders.write_folders(tmp_path)
    (tmp_path / "lines.txt").write_text("The stock market fell sharply.\nShares lost value.\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", [name for name in HAS_CODE if name != "custom-models"])
def test_page(name, folder):
    pages.run(ENGLISH[name])


def test_custom_models(tmp_path, monkeypatch):
    """This page runs on every environment, and what it says comes true."""
    monkeypatch.chdir(tmp_path)
    trains = environment.backend != "numpy"
    names = pages.run(ENGLISH["custom-models"], change=lambda code: code if trains else without_training(code))
    if trains:
        losses = names["history"].history["loss"]
        assert losses[-1] < 0.7 * losses[0]
        assert np.mean(np.concatenate(names["found"]) == names["labels"][names["ids"] > 0]) > 0.6
    ids = names["ids"]
    outputs = np.asarray(names["outputs"])
    assert (np.isinf(outputs).all(-1) == (ids == 0)).all()
    again = names["loaded"].predict_on_batch(ids[:32, :8])  # loading changes nothing, and padding does not either
    np.testing.assert_allclose(again, outputs[:32, :8], rtol=1e-5, atol=1e-5)


def without_training(code):
    return "\n".join(line for line in code.splitlines() if ".fit(" not in line)


# --------------------------------------------------------------------------------------------------- what is not run

# page -> the reasons, in their order. A block is left out only if it is named here.
INSTALLS = "it installs packages"
NOT_RUN = {
    "cluster": [
        INSTALLS,
        "it needs a cluster",
        "it needs Ray",
        "it needs Spark and Java",
        "it needs a checkpoint",
        "it needs a checkpoint",
        "it needs several processes",
        "it needs PyTorch and two processes",
        "it needs TensorFlow and several devices",
    ],
    "command-line": ["the commands are there once b4k3-tasks is installed", "the folders are examples"],
    "sentence-vectors": ["the next block is the same for a folder that the tests have"],
    "models": ["it needs the folder of a model"],
    "export": [INSTALLS, "it needs onnxruntime", "test_exporting_decoders runs it", *["it needs onnxruntime"] * 2],
    "serving": [INSTALLS, "it needs the server", "it needs the server"],
    "tasks": [
        "it needs the folder of a model that was trained on questions",
        "it needs matplotlib",
        "it needs keras-hub",
        "it needs transformers",
    ],
    "quick-start": [INSTALLS, INSTALLS, "it installs the model, and the tests make the same folder"],
}


@pytest.mark.parametrize("name", ENGLISH)
def test_blocks_that_are_not_run_say_why(name):
    found = pages.blocks(ENGLISH[name])
    assert [block.reason for block in found if block.reason is not None] == NOT_RUN.get(name, [])
    for block in found:
        assert block.language in pages.RUN + pages.OTHERS, f"{name}, line {block.line}: {block.language!r}"


# ------------------------------------------------------------------------------------------------- pages and links


def test_every_page_is_translated_and_in_the_navigation():
    assert set(CHINESE) == set(ENGLISH)
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    assert set(re.findall(r"([\w-]+)\.md$", navigation, re.M)) >= set(ENGLISH)


@pytest.mark.parametrize("name", ENGLISH)
def test_translations_have_the_same_code(name):
    english, chinese = (
        [(block.language, block.code, block.output) for block in pages.blocks(found[name])]
        for found in (ENGLISH, CHINESE)
    )
    assert english == chinese


@pytest.mark.parametrize("path", [ENGLISH["environments"], CHINESE["environments"]], ids=["english", "chinese"])
def test_the_page_on_environments_has_all_of_them(path):
    text = path.read_text(encoding="utf-8")
    (axis,) = read_toml(ROOT / "hatch.toml")["envs"]["rows"]["matrix"]
    assert re.findall(r"^\| `([\w-]+)` \| 3\.", text, re.M) == axis["row"]
    extras = read_toml(folder_of("backend") / "pyproject.toml")["project"]["optional-dependencies"]
    for extra, requirements in extras.items():
        (line,) = re.findall(rf"^\| `{extra}` \|.*", text, re.M)
        for requirement in requirements:
            assert f"`{requirement.partition(';')[0].strip()}`" in line


def test_lines_beside_other_projects():
    """The table of docs/tasks.md counts the lines of the blocks on the page."""
    page, blocks = ENGLISH["tasks"].read_text(encoding="utf-8"), pages.blocks(ENGLISH["tasks"])
    tasks = ["classify", "embed", "tag", "generate"]
    ours = [re.search(rf"^## {task.title()}\n.*?```python\n(.*?)```", page, re.M | re.S).group(1) for task in tasks]
    rows = [[str(len(code.splitlines()))] for code in ours]
    for name in ("keras-hub", "transformers"):
        (code,) = [block.code for block in blocks if block.reason == f"it needs {name}"]
        parts = dict(re.findall(r"^# (\w+)\n(.*?)(?=\n\n|\Z)", code, re.M | re.S))
        assert set(parts) <= set(tasks)
        for row, task in zip(rows, tasks):
            row.append(str(len(parts[task].splitlines())) if task in parts else "it has no such task")
    assert [re.search(rf"^\| {task}.*? \| (.*) \|$", page, re.M).group(1).split(" | ") for task in tasks] == rows
    assert [int(row[0]) for row in rows] == [4, 3, 4, 3]


DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("packages/*/*.md"),
]
IMAGE = re.compile(r'src="(?!\w+:)([^"]+)"')
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors(path):
    """The names that GitHub and the site give to the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = (re.sub(r"[`*]", "", heading).strip().lower() for heading in re.findall(r"^#+ (.*)$", text, re.M))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(path):
    text = path.read_text(encoding="utf-8")
    for target, anchor in LINK.findall(text) + [(image, "") for image in IMAGE.findall(text)]:
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{path.name} links to {target}"
        if anchor:
            file = file / "README.md" if file.is_dir() else file
            assert urllib.parse.unquote(anchor) in anchors(file), f"{path.name}: {target} has no heading #{anchor}"


# ------------------------------------------------------------------------------------------------------ the mechanism

WRONG = {
    "another output": "```python\nprint(1 + 1)  # 3\n```\n",
    "another output in a block": "```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n",
    "an output that the page does not show": "```python\nprint(1 + 1)\n```\n",
    "an exception": "```python\nundefined\n```\n",
    "a command that fails": "```bash\nb4k3 inspect no-such-folder\n```\n",
    "a command that succeeds": "```bash\nb4k3 --version  # exit status 3\n```\n",
    "another output of a command": "```bash\nb4k3 --version\n```\n\n```text\nnothing\n```\n",
    "another command": "```bash\nls\n```\n",
    "another error in a block": "```python\nundefined\n```\n\n```text\nKeyError: ...\n```\n",
    "an output that is no print": "```python\nfor i in [1]:\n    print(i)\n```\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_wrong_page_is_found(text, tmp_path):
    page = tmp_path / "wrong.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises((AssertionError, NameError)):
        pages.run(page)


def test_what_a_page_may_do(tmp_path, capsys):
    page = tmp_path / "right.md"
    page.write_text(
        "```python\nx = [\n    1,  # one\n]\nprint(x)  # [1]\n\nfor i in x:\n    print(i)\n```\n\n```text\n1\n```\n\n"
        "<!-- not run: there is no such machine -->\n```bash\nls\n```\n",
        encoding="utf-8",
    )
    assert pages.run(page)["x"] == [1]
