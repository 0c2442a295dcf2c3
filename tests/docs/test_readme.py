"""The README runs as it stands: its blocks in their order, in one session, with the output that it prints."""

import contextlib
import doctest
import importlib.util
import io
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from typing import NamedTuple

import pytest

from support.workspace import PACKAGES, ROOT, folder, read_toml

README, README_ZH = ROOT / "README.md", ROOT / "README.zh-CN.md"
SETUP = ("pip install hatch && hatch run demo", "pip install hatch && hatch run test")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    language: str
    code: str
    output: str  # what the `text` block right below it shows; "" without one


def blocks(text):
    """The blocks of a page that are code."""
    pattern = r"^```(python|bash)\n(.*?)^```$(?:\n*^```text\n(.*?)^```$)?"
    return [Block(*found) for found in re.findall(pattern, text, re.M | re.S)]


def run_python(code, names):
    """Run a block in a namespace. Returns: what it printed, then the error that ended it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(code, names)
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
    return out.getvalue()


def run_bash(code):
    """Run the lines that are commands of ours. Returns: what they printed, then their notes."""
    printed = ""
    for line in code.splitlines():
        line, _, source = line.partition(" < ")
        program, *arguments = shlex.split(line, comments=True)
        if program == "b4k3":
            command = [sys.executable, "-m", "b4k3.models", *arguments]
            text = pathlib.Path(source.split()[0]).read_text(encoding="utf-8") if source else None
            done = subprocess.run(command, capture_output=True, text=True, input=text)
            assert done.returncode == 0, done.stderr
            printed += done.stdout + done.stderr
        else:
            assert program == "pip", f"no test runs this command: {line}"
            paths = [argument.partition("[")[0] for argument in arguments if argument.startswith("packages/")]
            assert all((ROOT / path / "pyproject.toml").exists() for path in paths), line
    return printed


def same(shown, printed):
    """True if a page shows what was printed; … stands for anything."""
    return doctest.OutputChecker().check_output(shown.replace("…", "..."), printed, FLAGS)


def run(text):
    """Run a page. Returns: the blocks whose output is another one, as (code, shown, printed)."""
    names = {"__name__": "readme"}
    wrong = []
    for block in blocks(text):
        printed = run_python(block.code, names) if block.language == "python" else run_bash(block.code)
        hidden = block.language == "bash" and not block.output  # a page may leave out what a command prints
        if not hidden and not same(block.output, printed):
            wrong.append((block.code, block.output, printed))
    return wrong


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with what the examples read: MiniLM as `hatch run demo` writes it, and the golden checkpoints."""
    spec = importlib.util.spec_from_file_location("demo", str(ROOT / "demo" / "demo.py"))
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    (tmp_path / "demo").mkdir()
    demo.write_google_checkpoint(demo.minilm_folder(), tmp_path / "demo" / demo.FOLDER.name)
    (tmp_path / "tests").symlink_to(ROOT / "tests", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_block_runs_and_prints_what_is_shown(clone):
    text = README.read_text(encoding="utf-8")
    assert len([block for block in blocks(text) if block.output]) >= 7
    assert not run(text)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with small files under the names of the examples in the packages' READMEs."""
    golden = ROOT / "tests" / "golden"
    for target in (tmp_path, tmp_path / "chinese_L-12_H-768_A-12"):
        target.mkdir(exist_ok=True)
        for path in golden.glob("google_bert/[bv]*"):
            shutil.copy(str(path), str(target / path.name))
    with tarfile.open(str(golden / "sentencepiece" / "models.tar.xz")) as archive:
        (name,) = (name for name in archive.getnames() if name.endswith("t5_like.model"))
        (tmp_path / "spiece.model").write_bytes(archive.extractfile(name).read())
    (tmp_path / "lines.txt").write_text("Hello world\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("package", ("", *PACKAGES))
def test_blocks_in_the_readme_of_a_package_run(files, package):
    text = (folder(package) / "README.md").read_text(encoding="utf-8")
    assert blocks(text)
    assert not run(text)


WRONG = {
    "another output": "```python\nprint(1)\n```\n\n```text\n2\n```\n",
    "an output that is not shown": "```python\nprint(1)\n```\n",
    "an error that is not shown": "```python\nundefined\n```\n",
    "another error": "```python\nundefined\n```\n\n```text\nKeyError: …\n```\n",
}


@pytest.mark.parametrize("page", WRONG.values(), ids=WRONG)
def test_a_wrong_block_is_found(page):
    assert run(page)


@pytest.mark.parametrize("readme", [README, README_ZH], ids=lambda path: path.name)
def test_first_screen(readme):
    """The two commands stand at line starts, as `.ci/run` looks for them; code, output and figure follow at once."""
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert all(command in lines[:12] for command in SETUP)
    assert any(line.startswith("<img ") for line in lines[:40])


@pytest.mark.parametrize("readme", [README, README_ZH], ids=lambda path: path.name)
def test_extras_are_all_named(readme):
    named = re.findall(r"^\| `\[([\w-]+)\]`", readme.read_text(encoding="utf-8"), re.M)
    assert named == list(read_toml(folder("backend") / "pyproject.toml")["project"]["optional-dependencies"])


@pytest.mark.parametrize("readme", [README, README_ZH], ids=lambda path: path.name)
def test_links_lead_somewhere(readme):
    text = readme.read_text(encoding="utf-8")
    found = re.findall(r'\]\(([^)]+)\)|src="([^"]+)"', text)
    for link in ("".join(pair) for pair in found):
        path, _, heading = link.partition("#")
        target = ROOT / path if path else readme
        assert target.exists(), link
        if heading:
            page = target / "README.md" if target.is_dir() else target
            assert heading in headings(page.read_text(encoding="utf-8")), link


def headings(text):
    """The anchors that GitHub gives the headings of a page."""
    found = re.findall(r"^#+ (.*)$", text, re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found]


def test_figures_are_what_their_script_draws(tmp_path):
    folder_of_figures = ROOT / "docs" / "figures"
    spec = importlib.util.spec_from_file_location("loading_figure", str(folder_of_figures / "loading.py"))
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(tmp_path)
    for name in script.WORDS:
        assert (tmp_path / name).read_bytes() == (folder_of_figures / name).read_bytes(), "run docs/figures/loading.py"
