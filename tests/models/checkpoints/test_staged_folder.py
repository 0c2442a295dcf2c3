"""Folders whose files belong together: all old or all new, whenever the process dies."""

import os

import pytest

from b4k3.models.checkpoints import CheckpointError, _staged_folder, _staging
from b4k3.models.checkpoints._staged_folder import StagedFolder

from .test_saving import Crash

OLD = {"model.index": b"old", "model.data-1": b"old", "config.json": b"old", "notes": b"mine"}
NEW = {"model.index": b"new", "model.data-2": b"new", "config.json": b"new", "notes": b"mine"}


def fill(folder, files):
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def replace(target, replaces=True):
    with StagedFolder(str(target), replaces) as staged:
        for name in ("model.index", "model.data-2", "config.json"):
            _staging.write_file(os.path.join(staged.path, name), b"new")
        staged.commit(["model.index"], ["model.index", "model.data-1"])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def dies_at(monkeypatch, step, target):
    """Whether the process died at a step, with nothing to clean up after it."""
    with monkeypatch.context() as patch:
        try:
            leave = StagedFolder.__exit__

            def die(staged, kind, *error):
                leave(staged, kind, *error) if kind is None else _staging.unlock(staged._handle)

            Crash(patch, step)
            patch.setattr(StagedFolder, "__exit__", die)
            replace(target)
        except Crash:
            return True
    return False


def test_a_new_folder_appears_at_once(tmp_path, monkeypatch):
    step, target = 0, tmp_path / "target"
    while dies_at(monkeypatch, step, target):
        assert not target.exists() or len(contents(target)) == 3
        if target.exists():
            break
        step += 1
    assert step > 5
    replace(target)
    assert os.listdir(str(tmp_path)) == ["target"]


def test_an_old_folder_is_old_or_new(tmp_path, monkeypatch):
    step, died = 0, True
    probe = [tmp_path / "a", tmp_path / "b"]
    for path in probe:
        path.mkdir()
    if not _staged_folder.exchange(*map(str, probe)):
        pytest.skip("this system cannot exchange folders")
    while died:
        place = tmp_path / str(step)
        place.mkdir()
        fill(place / "target", OLD)
        died = dies_at(monkeypatch, step, place / "target")
        assert contents(place / "target") in ([OLD, NEW] if died else [NEW])
        replace(place / "target")  # the next one succeeds, and removes what the crash left
        assert contents(place / "target") == NEW and os.listdir(str(place)) == ["target"]
        step += 1
    assert step > 10


def test_a_folder_that_cannot_be_exchanged_is_never_mixed(tmp_path, monkeypatch):
    """It has a folder in it. The old checkpoint is gone before anything of the new one is there."""
    step, died, seen = 0, True, set()
    while died:
        place = tmp_path / str(step)
        place.mkdir()
        fill(place / "target", OLD)
        (place / "target" / "logs").mkdir()
        died = dies_at(monkeypatch, step, place / "target")
        found = contents(place / "target")
        if "model.index" in found:
            names = ("config.json", "model.data-1" if found["model.index"] == b"old" else "model.data-2")
            assert {found[name] for name in names} == {found["model.index"]}
        seen.add(found.get("model.index"))
        replace(place / "target")
        assert contents(place / "target") == NEW and os.listdir(str(place)) == ["target"]
        assert sorted(path.name for path in (place / "target").iterdir()) == sorted([*NEW, "logs"])
        step += 1
    assert seen == {b"old", b"new", None}


@pytest.mark.parametrize("folders", [False, True])
def test_without_replace_it_stays_as_it_was(tmp_path, folders):
    target = tmp_path / "target"
    fill(target, OLD)
    if folders:
        (target / "logs").mkdir()
    with pytest.raises(CheckpointError, match="is there already"):
        replace(target, replaces=False)
    assert contents(target) == OLD and os.listdir(str(tmp_path)) == ["target"]


def test_the_mode_of_the_folder_and_links_in_it_stay(tmp_path):
    target = tmp_path / "target"
    fill(target, OLD)
    target.chmod(0o750)
    (target / "link").symlink_to("notes")
    replace(target)
    assert target.stat().st_mode & 0o777 == 0o750 and (target / "link").read_bytes() == b"mine"
    assert os.readlink(str(target / "link")) == "notes"
