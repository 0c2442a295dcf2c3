"""The README runs as it stands: its blocks in their order, in one session, with the output that it prints."""

import re
import shutil
import tarfile

import pytest

from support import pages
from support.workspace import PACKAGES, ROOT, folder, load_script, read_toml

README, README_ZH = ROOT / "README.md", ROOT / "README.zh-CN.md"
SETUP = ("pip install hatch && hatch run demo", "pip install hatch && hatch run test")


@pytest.fixture
def clone(minilm, tmp_path, monkeypatch):
    """A folder with what the examples read: MiniLM as `hatch run demo` writes it, and the golden checkpoints."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / minilm.name).symlink_to(minilm, target_is_directory=True)
    (tmp_path / "tests").symlink_to(ROOT / "tests", target_is_directory=True)
    monkeypatch.chdir(tmp_path)


def test_every_block_runs_and_prints_what_is_shown(clone):
    assert len([block for block in pages.blocks(README) if block.output]) >= 7
    pages.run(README)


def test_blocks_that_are_not_run_say_why():
    """`.ci/run` runs the two commands of the first screen as they stand."""
    reasons = [block.reason for block in pages.blocks(README) if block.reason is not None]
    assert reasons == ["CI runs both", "it installs packages"]
    (line,) = re.findall(r"^pip install -e .*", README.read_text(encoding="utf-8"), re.M)
    paths = re.findall(r"packages/[\w-]+", line)
    assert paths and all((ROOT / path / "pyproject.toml").exists() for path in paths), line


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
    readme = folder(package) / "README.md"
    assert pages.blocks(readme)
    pages.run(readme)


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


def test_figures_are_what_their_script_draws(tmp_path):
    folder_of_figures = ROOT / "docs" / "figures"
    script = load_script(folder_of_figures / "loading.py")
    script.main(tmp_path)
    for name in script.WORDS:
        assert (tmp_path / name).read_bytes() == (folder_of_figures / name).read_bytes(), "run docs/figures/loading.py"
