"""The files around the code agree with each other: metadata, rows, documents."""

import fnmatch
import re

import pytest

from support.skips import FIRST_CASE_ONLY, LONG, SKIPS
from support.workspace import PACKAGES, PYTHONS, ROOT, folder, read_toml

EVERY_PACKAGE = ("",) + PACKAGES  # '' is the metapackage
EXTRAS = ("jax", "torch", "tensorflow", "tf-keras", "tf2", "tf1")
# extra -> globs of the rows that test it
ROWS_OF_EXTRA = {
    "jax": "keras3-jax* keras35-jax",
    "torch": "keras3-torch* keras35-torch",
    "tensorflow": "keras3-tf keras35-tf",
    "tf-keras": "tf_keras-*",
    "tf2": "tfkeras-2*",
    "tf1": "keras231-tf115",
}
OWN_EXTRAS = {
    "models": {"cli", "onnx", "openvino"},
    "snippets": {"serving"},
    "tasks": {"onnx", "openvino", "plot", "ray", "serve"},
    "": {"onnx", "openvino", "plot", "ray", "serve"},  # of the tasks
}  # of one package, not a choice of Keras
NEWEST = (float("inf"),)  # of a row that takes whatever is the newest release
ADDRESS = "https://github.com/b4k3/b4k3"
README, README_ZH = ROOT / "README.md", ROOT / "README.zh-CN.md"
TRANSLATIONS = [README_ZH, *sorted(ROOT.glob("docs/*.zh-CN.md")), *sorted(ROOT.glob("packages/*/*.zh-CN.md"))]


def project(package):
    return read_toml(folder(package) / "pyproject.toml")["project"]


def version(package):
    if not package:
        return project("")["version"]
    about = folder(package) / "src" / "b4k3" / package / "__about__.py"
    return re.search(r'__version__ = "(.+)"', about.read_text(encoding="utf-8")).group(1)


def numbers(text):
    return tuple(int(n) for n in re.findall(r"\d+", text))


def bounds(requirement):
    """'jax>=0.4.30,<0.11; marker' -> ('jax', (0, 4, 30), (0, 11)); None for a bound that is not there."""
    name, spec = re.match(r"([\w-]+)(?:\[[\w-]+\])?([^;]*)", requirement).groups()
    low, high = re.search(r">=([\d.]+)", spec), re.search(r"<([\d.]+)", spec)
    return name, low and numbers(low.group(1)), high and numbers(high.group(1))


def rows():
    matrix = read_toml(ROOT / "hatch.toml")["envs"]["rows"]["matrix"]
    return [row for axis in matrix for row in axis["row"]]


def pins(row_globs):
    """{distribution: its versions} in the rows that match, NEWEST without a pin; tensorflow-cpu is tensorflow."""
    chosen = [row for row in rows() if any(fnmatch.fnmatchcase(row, glob) for glob in row_globs.split())]
    found = {}
    for entry in read_toml(ROOT / "hatch.toml")["envs"]["rows"]["overrides"]["matrix"]["row"]["dependencies"]:
        if set(entry["if"]) & set(chosen):
            name, _, pinned = entry["value"].partition("==")
            release = numbers(pinned) if pinned else NEWEST
            found.setdefault(name.replace("tensorflow-cpu", "tensorflow"), set()).add(release)
    return found


@pytest.mark.parametrize("package", EVERY_PACKAGE)
def test_package_has_its_papers(package):
    path = folder(package)
    assert path.joinpath("LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert f"## {version(package)}" in path.joinpath("CHANGELOG.md").read_text(encoding="utf-8")
    assert path.joinpath("README.md").read_text(encoding="utf-8").startswith("# " + project(package)["name"])
    assert project(package)["requires-python"] == ">=3.7"


@pytest.mark.parametrize("package", EVERY_PACKAGE)
def test_metadata_of_package(package):
    """What PyPI shows beside the README: who, under which license, where to read on, for which Pythons."""
    found = project(package)
    assert found["license"] == {"text": "Apache-2.0"} and found["authors"] == [{"name": "The b4k3 developers"}]
    assert len(found["description"]) <= 160 and len(found["keywords"]) >= 4
    own = folder(package).relative_to(ROOT).as_posix()
    assert found["urls"] == {
        "Homepage": ADDRESS,
        "Documentation": f"{ADDRESS}/tree/main/docs",
        "Source": f"{ADDRESS}/tree/main/{own}",
        "Changelog": f"{ADDRESS}/blob/main/{own}/CHANGELOG.md",
        "Issues": f"{ADDRESS}/issues",
    }
    typed = "Typing :: Typed" in found["classifiers"]
    assert typed == (folder(package) / "src" / "b4k3" / package / "py.typed").exists()


def pythons_under_test():
    """The Pythons of the rows and of the wheels, the oldest first."""
    overrides = read_toml(ROOT / "hatch.toml")["envs"]["rows"]["overrides"]["matrix"]["row"]["python"]
    return sorted({entry["value"] for entry in overrides} | set(PYTHONS), key=numbers)


def test_workflow_runs_all_of_ci_with_every_python():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.search(r"^ +- run: \.ci/run ", workflow, re.M)
    assert sorted(re.findall(r"^ +(3\.\d+)$", workflow, re.M), key=numbers) == pythons_under_test()


@pytest.mark.parametrize("package", EVERY_PACKAGE)
def test_classifiers_name_the_pythons_under_test(package):
    prefix = "Programming Language :: Python :: 3."
    named = [entry[len(prefix) - 2 :] for entry in project(package)["classifiers"] if entry.startswith(prefix)]
    assert named == pythons_under_test()


@pytest.mark.parametrize("package", EVERY_PACKAGE)
def test_links_of_a_readme_work_on_pypi(package):
    """PyPI shows the README without the repository around it, and without anchors at its headings."""
    readme = folder(package) / project(package)["readme"]
    found = links(readme.read_text(encoding="utf-8"))
    assert not [link for link in found if not link.startswith("https://")]
    assert not [link for link in found if link.startswith(ADDRESS) and not in_repository(link)]


def links(text):
    """What a page of Markdown points to: links, images, references, HTML attributes."""
    text = re.sub(r"^```.*?^```$|`[^`\n]+`", "", text, flags=re.M | re.S)
    patterns = (r"\]\(\s*<?([^\s)>]+)", r"^\[[^\]]+\]:\s*(\S+)", r"""(?:href|src|srcset)=["']([^"']+)""")
    return [link for pattern in patterns for link in re.findall(pattern, text, re.M)]


def in_repository(link):
    """True if an address in the repository on GitHub is the address of a file or folder that is here."""
    path = link[len(ADDRESS) :].partition("#")[0]
    kind, _, path = path.lstrip("/").partition("/")
    if kind in ("blob", "tree", "raw"):
        branch, _, path = path.partition("/")
        return branch == "main" and ROOT.joinpath(path).exists()
    return kind in ("", "issues")


@pytest.mark.parametrize("text", ["[a](b.md)", "![a](b.png)", "[a]: b.md", '<img src="b.svg">'])
def test_a_relative_link_is_found(text):
    assert links(text) in (["b.md"], ["b.png"], ["b.svg"])
    assert not in_repository(f"{ADDRESS}/blob/main/docs/no-such-page.md")


@pytest.mark.parametrize("package", EVERY_PACKAGE)
def test_sibling_ranges_hold_the_versions_here(package):
    extras = project(package).get("optional-dependencies", {})
    for requirement in sum(extras.values(), project(package)["dependencies"]):
        name, low, high = bounds(requirement)
        if name.startswith("b4k3"):
            here = numbers(version(name.replace("b4k3-", "")))
            assert low <= here < high, requirement


@pytest.mark.parametrize("package", ["", "layers", "models", "optimizers", "snippets", "tasks"])
def test_extras_are_forwarded(package):
    extras = project(package)["optional-dependencies"]
    extras = {extra: extras[extra] for extra in extras if extra not in OWN_EXTRAS.get(package, ())}
    assert tuple(extras) == EXTRAS
    for extra, (requirement,) in extras.items():
        assert re.match(rf"b4k3-(backend|layers|models)\[{re.escape(extra)}\]", requirement)


def test_metapackage_brings_every_package():
    assert {bounds(d)[0] for d in project("")["dependencies"]} == {"b4k3-" + package for package in PACKAGES}


@pytest.mark.parametrize("extra", EXTRAS)
def test_both_ends_of_an_extra_are_tested(extra):
    """A row pins the lower bound. The upper bound is the release line or the major version after the newest pin."""
    for requirement in project("backend")["optional-dependencies"][extra]:
        name, low, high = bounds(requirement)
        if low is None:
            continue  # only a ceiling, which keeps an old TensorFlow working
        tested = pins(ROWS_OF_EXTRA[extra])[name]
        assert min(tested)[: len(low)] == low, requirement
        newest = max(tested - {NEWEST})
        assert high in ((newest[0], newest[1] + 1), (newest[0] + 1,)), requirement


def test_default_environment_is_the_jax_row():
    dependencies = read_toml(ROOT / "hatch.toml")["envs"]["default"]["dependencies"]
    pinned = (dependency.split("==") for dependency in dependencies if "==" in dependency)
    assert {name: {numbers(release)} for name, release in pinned} == pins("keras3-jax")


@pytest.mark.parametrize("readme", [README, README_ZH], ids=lambda path: path.name)
def test_readme_names_every_row(readme):
    table = re.findall(r"^\| `([\w-]+)` \|", readme.read_text(encoding="utf-8"), re.M)
    assert table == rows()


@pytest.mark.parametrize("chinese", TRANSLATIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_translations_are_in_step(chinese):
    """The same code, headings of the same levels in the same order, the same names and links in each section."""
    english = chinese.with_name(chinese.name.replace(".zh-CN", ""))
    address = f"{ADDRESS}/blob/main/{english.parent.relative_to(ROOT).as_posix()}/"  # as a README on PyPI has it
    own = {start + page.name for page in (english, chinese) for start in ("", address)}
    sections = [sections_of(path, own) for path in (english, chinese)]
    assert len(sections[0]) == len(sections[1])
    for one, other in zip(*sections):
        assert one == other


def without_language(link):
    """A link as it is in either language: to the page as such, without the name of a heading, which is translated."""
    name, _, heading = link.partition("#")
    return name.replace(".zh-CN", "") + ("#" if heading else "")


def sections_of(path, own):
    """[(level of the heading, its blocks of code, the code in its text, what its links point to but the `own`)]"""
    found = []
    for hashes, body in re.findall(r"^(#+) .*?$(.*?)(?=^#+ |\Z)", path.read_text(encoding="utf-8"), re.M | re.S):
        blocks = re.findall(r"^```.*?^```$", body, re.M | re.S)
        text = re.sub(r"^```.*?^```$", "", body, flags=re.M | re.S)
        links = {without_language(link) for link in set(re.findall(r"\]\((.+?)\)", text)) - own}
        found.append((len(hashes), blocks, sorted(re.findall(r"`[^`\n]+`", text)), links))
    return found


@pytest.mark.parametrize("glob, row_globs, reason", SKIPS + LONG + FIRST_CASE_ONLY)
def test_skips_name_real_files_and_rows_and_say_why(glob, row_globs, reason):
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")]
    assert fnmatch.filter(files, glob.partition("::")[0]), "no file of tests has this name"
    for row_glob in row_globs.split():
        assert fnmatch.filter(rows() + ["default", "short", "wheels"], row_glob), row_glob
    assert len(reason) > 10
