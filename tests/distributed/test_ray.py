"""`--engine ray`, in `hatch run ray:test`: the short form of `ray_kills.py`, files of Parquet, and the callables."""

import json
import os
import shutil
import sys
import tempfile

import numpy as np
import pandas
import pyarrow
import pytest
from pyarrow import parquet

from b4k3.models import ConfigError
from b4k3.models.cli import main
from b4k3.tasks import TextEncoder
from b4k3.tasks.batch import EncodeBatch, TagBatch
from b4k3.tasks.commands import COMMANDS, part_files, parts, ray_engine
from b4k3.tasks.commands.lines import open_lines, read_line
from support import engines

LINES, WINDOW = 400, 20
COLUMNS = [
    (
        {"label": str, "score": float, "all_scores": {"a": float, "b": float}},
        {"label": "b", "score": 0.75, "all_scores": {"a": 0.25, "b": 0.75}},
    ),
    ({"labels": [str], "scores": [float]}, {"labels": [], "scores": []}),
    (TagBatch.columns, {"spans": [{"start": 0, "end": 1, "label": "LOC", "score": 0.5, "text": "a"}]}),
    ({"text": str}, {"text": "猫"}),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return engines.write_model(tmp_path_factory.mktemp("model") / "bert")


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    return engines.environment(tempfile.mkdtemp(prefix="r"))  # the path of a socket is short


def test_a_run_survives_the_death_of_an_actor_and_of_its_driver(model, env, tmp_path):
    file, single, output = (
        engines.write_lines(tmp_path / "lines.jsonl", LINES),
        tmp_path / "one.jsonl",
        tmp_path / "x.jsonl",
    )
    arguments = ["encode", model, file, "--pooling", "mean", "--window", WINDOW, "--quiet"]
    assert main([*map(str, arguments), "--output", str(single)], COMMANDS) == 3
    command, parts = [*arguments, "--engine", "ray", "--actors", 2, "--output", output], LINES // WINDOW
    first = engines.start(command, env)
    assert engines.wait_for(lambda: engines.parts_done(output) >= parts // 4, first), first.communicate()
    actors = [pid for pid, line in engines.workers_below(first.pid) if "MapWorker" in line]
    assert engines.kill(actors[0])
    assert engines.wait_for(lambda: engines.parts_done(output) >= parts // 2, first), first.communicate()
    assert engines.kill(first.pid) and not output.exists()
    first.communicate()
    code, error = engines.run(command, env)
    assert code == 3, error
    found = engines.compare(output, single, LINES)
    assert found["rows"] == found["distinct"] == LINES and found["wrong"] == LINES // engines.WRONG_EVERY
    assert found["largest"] <= 1e-5
    assert f"{found['wrong']} of {LINES} lines are wrong" in error
    assert sorted(os.listdir(tmp_path)) == ["lines.jsonl", "one.jsonl", "x.jsonl"]
    code, error = engines.run(command, env)
    assert code == 1 and "is there already" in error


def test_parquet_in_and_out(model, env, tmp_path):
    """`features` finds its engine by the entry point, reads a folder of files, and keeps the type of ids."""
    texts = engines.texts(30)
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, rows in (("a", range(20)), ("b", range(20, 30))):
        table = pyarrow.table({"id": list(rows), "text": [None if i == 25 else texts[i] for i in rows]})
        parquet.write_table(table, folder / f"{name}.parquet", row_group_size=7)
    output = tmp_path / "vectors.parquet"
    options = ["--window", 8, "--pooling", "mean", "--engine", "ray", "--output", output]
    code, error = engines.run(["features", model, folder, *options], env)
    assert code == 3 and "b.parquet, line 6: text: expected str, got NoneType" in error, error
    table = parquet.read_table(output)
    assert table.column_names == ["id", "line", "file", "vector", "error"]
    assert table["id"].to_pylist() == list(range(30)) and table.schema.field("id").type == pyarrow.int64()
    assert table["file"].to_pylist() == ["a.parquet"] * 20 + ["b.parquet"] * 10
    assert [i for i, error in enumerate(table["error"].to_pylist()) if error] == [25]
    (listed,) = [json.loads(path.read_text()) for path in output.glob("_errors-*")]
    assert listed["id"] == 25 and listed["file"] == "b.parquet" and listed["line"] == 6
    want = TextEncoder.from_folder(model, pooling="mean").encode(texts)
    got = [np.array(row) for row in table["vector"].to_pylist() if row is not None]
    np.testing.assert_allclose(got, np.delete(want, 25, axis=0), atol=1e-5)


def test_a_failure_in_an_actor_is_one_line(model, env, tmp_path):
    """The pooling is known to be wrong when the model is there, which only the actor has."""
    file = engines.write_lines(tmp_path / "lines.jsonl", 20)
    options = ["--pooling", "of my own", "--engine", "ray", "--output", tmp_path / "x.jsonl"]
    code, error = engines.run(["encode", model, file, *options], env)
    assert code == 1 and error.splitlines()[-1].startswith("error: ") and "of my own" in error.splitlines()[-1]


def test_a_text_that_kills_its_actor_ends_the_run(tmp_path):
    """No actor begins a part for ever; the next run counts anew, and what is done does not count."""
    output = str(tmp_path / "x.jsonl")
    file = engines.write_lines(tmp_path / "lines.jsonl", 4)
    with part_files.PartFolder(output, {}, 2, restart=False) as folder:
        job = ray_engine.Job(Length(), folder.folder, part_files.PartFormat(".jsonl", False, None), "auto", False)
        rows = [part._asdict() for part in parts.divide(file, 2).parts]
        for _ in range(ray_engine.MAX_TRIES):
            part_files.count_try(folder.folder, 0)
        assert "20 actors died" in ray_engine.PartWorker(job)(rows[0])["failure"]
        assert not ray_engine.PartWorker(job)(rows[1])["failure"]
        with pytest.raises(ConfigError, match="1 parts are missing"):
            folder.finish({})
    with part_files.PartFolder(output, {}, 2, restart=False) as folder:
        assert folder.missing() == [0]
        assert not ray_engine.PartWorker(job)(rows[0])["failure"]
        folder.finish({})
    assert [row["length"] for row in engines.rows_of(output)] == [len(text) for text in engines.texts(4)]


class Length:
    """In place of a model."""

    size, columns = 0, {"length": int}

    def answers(self, texts, first):
        return [{"length": len(text)} for text in texts]


def test_what_an_engine_refuses(tmp_path):
    output = str(tmp_path / "x.jsonl")
    with part_files.PartFolder(output, {"pooling": "cls"}, 1, restart=False):
        with pytest.raises(ConfigError, match="another run is writing it"):
            part_files.PartFolder(output, {"pooling": "cls"}, 1, restart=False)
    with pytest.raises(ConfigError, match="another pooling; --restart begins anew"):
        part_files.PartFolder(output, {"pooling": "mean"}, 1, restart=False)
    kept = tmp_path / "x.jsonl.part" / "my own file"
    kept.write_text("kept")
    with part_files.PartFolder(output, {"pooling": "mean"}, 0, restart=True) as folder:
        folder.finish({})
    assert kept.read_text() == "kept"
    for name in ("x.npy", "x.jsonl.gz", None):
        with pytest.raises(ConfigError, match="NAME.jsonl or NAME.parquet"):
            part_files.checked_suffix(name)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    parquet.write_table(pyarrow.table({"texts": ["a"]}), tmp_path / "other.parquet")
    parquet.write_table(pyarrow.table({"text": ["a"], "id": [0.5]}), tmp_path / "float.parquet")
    for name, message in (
        ("-", "not standard input"),
        ("bad.parquet", "cannot be read as Parquet"),
        ("other.parquet", "has no column text, but 'texts'"),
        ("float.parquet", "id has type double, expected one of string"),
    ):
        with pytest.raises(ConfigError, match=message):
            parts.divide(name if name == "-" else str(tmp_path / name), 10)
    with pytest.raises(ConfigError, match="--engine ray reads Parquet"):
        with open_lines(str(tmp_path / "other.parquet"), "auto"):
            pass


@pytest.mark.parametrize("suffix", part_files.FORMATS)
@pytest.mark.parametrize("columns, answer", COLUMNS)
def test_columns_of_answers(tmp_path, suffix, columns, answer):
    """A row whose line is wrong has its place in both formats."""
    lines = [read_line(i, line, as_json=True) for i, line in enumerate((b'{"id": 7, "text": "a"}', b"{"), 1)]
    rows = part_files.PartFormat(suffix, named=False, id_type=None)
    path = tmp_path / f"part-0{suffix}"
    path.write_bytes(rows.encoded(lines, {1: answer}, columns))
    good, bad = engines.rows_of(tmp_path) if suffix == ".jsonl" else parquet.read_table(path).to_pylist()
    assert {key: good[key] for key in columns} == answer
    assert bad["error"].startswith("no JSON") and not any(bad.get(key) for key in columns)


def test_map_batches(model, env, monkeypatch):
    """The class is the callable of an actor; its rows are those of the encoder."""
    import ray

    monkeypatch.setenv("HOME", env["HOME"])
    monkeypatch.setenv("PYTHONPATH", env["PYTHONPATH"])
    texts = engines.texts(40)
    monkeypatch.setenv("RAY_TMPDIR", env["RAY_TMPDIR"])
    ray_engine.start_ray(ray, None, actors=1)  # it tries again on a machine with much to do
    try:
        rows = ray.data.from_items([{"id": i, "text": text} for i, text in enumerate(texts)])
        actors = ray.data.ActorPoolStrategy(size=1)
        options = {"fn_constructor_args": [model], "fn_constructor_kwargs": {"pooling": "mean"}}
        found = rows.map_batches(EncodeBatch, batch_size=16, compute=actors, num_cpus=1, **options).take_all()
    finally:
        ray.shutdown()
    want = TextEncoder.from_folder(model, pooling="mean").encode(texts)
    assert sorted(row["id"] for row in found) == list(range(40))
    for row in found:
        np.testing.assert_allclose(row["vector"], want[row["id"]], atol=1e-5)
        assert row["error"] is None


def test_spark(model, tmp_path, monkeypatch):
    """`mapInPandas` of Spark as docs/cluster.md has it, where there is Java; without, an iterator of frames."""
    frame = pandas.DataFrame({"id": range(10), "text": engines.texts(10)})
    encode = EncodeBatch(model, pooling="mean")
    want = encode({"text": frame["text"].to_numpy()})["vector"]
    if shutil.which("java") is None:
        found = pandas.concat(encode.frames([frame[:6], frame[6:]]))
    else:
        from pyspark.sql import SparkSession

        monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        spark = SparkSession.builder.master("local[1,4]").config("spark.ui.enabled", "false").getOrCreate()
        try:
            schema = "id long, text string, vector array<float>, error string"
            rows = spark.createDataFrame(frame).mapInPandas(EncodeBatch(model, pooling="mean").frames, schema)
            found = rows.toPandas().sort_values("id")
        finally:
            spark.stop()
    np.testing.assert_allclose(np.stack(list(found["vector"])), want, atol=1e-5)
    assert list(found["id"]) == list(range(10)) and found["error"].isna().all()
