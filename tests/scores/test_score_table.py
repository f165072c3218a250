import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actjax.files import FileError
from actjax.scores import schema
from actjax.scores.files import ScoresError, load_scores, score_block, scores_metadata, write_scores

LABELS = {"network": "trained", "layer": "conv1", "depth": 0.25, "feature": "rms", "view": "frame"}
LABELS |= {"metric": "pearson", "n_observations": 100}


def block(score=((0.5, -0.25), (0.125, np.nan)), **changes):
    outputs = {"score": np.array(score, np.float32)}
    return score_block(outputs, **(LABELS | changes))


def test_round_trip_keeps_every_value_and_type(tmp_path):
    outputs = {"score": np.array([[0.5], [np.nan]]), "std_error": np.array([[0.1], [np.nan]])}
    whole = score_block(outputs, whole_feature=True, **(LABELS | {"view": "map", "metric": "cka"}))
    path = write_scores(
        tmp_path / "scores" / "a.parquet", [block(), whole], {"step": 7, "config": {"a": [1]}}
    )
    assert [p.name for p in path.parent.iterdir()] == ["a.parquet"]
    table = load_scores(tmp_path)
    assert table.schema.equals(schema.schema()) and len(table) == 6
    columns = table.to_pydict()
    assert columns["neuron"] == [0, 0, 1, 1, 0, 1]
    assert columns["row"] == [0, 1, 0, 1, -1, -1]
    assert columns["score"][:3] == [0.5, -0.25, 0.125] and np.isnan(columns["score"][3])
    assert columns["valid"] == [True, True, True, False, True, False]
    assert columns["std_error"][:4] == [None] * 4 and columns["std_error"][5] is None
    assert columns["std_error"][4] == np.float32(0.1)
    assert columns["metric"] == ["pearson"] * 4 + ["cka"] * 2
    assert set(columns["part"]) == {"within"}
    assert set(columns["p_maxt"]) == {None}
    assert scores_metadata(table) == {"a.parquet": {"step": 7, "config": {"a": [1]}}}


def test_the_schema_is_the_documented_one():
    kinds = {f.name: str(f.type) for f in schema.schema()}
    text = "dictionary<values=string, indices=int32, ordered=0>"
    assert [n for n, kind in kinds.items() if kind == text] == [
        *("network", "options", "layer", "feature", "view", "part", "metric", "row_name", "unit")
    ]
    assert kinds["neuron"] == kinds["row"] == "int32" and kinds["n_observations"] == "int64"
    assert kinds["score"] == "float" and kinds["valid"] == "bool"
    nullable = [f.name for f in schema.schema() if f.nullable]
    assert nullable == [*schema.NULLABLE, *schema.STATISTICS, *schema.NAMES]


def test_string_columns_may_be_arrays(tmp_path):
    columns = block() | {"layer": np.array(["a", "b", "a", "b"]), "network": pa.array(["x", "x", "y", "y"])}
    write_scores(tmp_path / "scores" / "a.parquet", columns, {})
    assert load_scores(tmp_path)["layer"].to_pylist() == ["a", "b", "a", "b"]


def test_a_repeated_key_is_refused_and_named(tmp_path):
    with pytest.raises(ScoresError, match='occurs twice.*"neuron": 0.*"row": 0'):
        write_scores(tmp_path / "a.parquet", [block(), block()], {})
    assert not list(tmp_path.iterdir())
    write_scores(tmp_path / "a.parquet", [block(), block(network="untrained"), block(options='{"a": 1}')], {})


def test_keys_differ_exactly_where_the_rows_do(tmp_path):
    rng = np.random.default_rng(0)
    columns = {name: rng.choice(["p", "q", "r"], 4000) for name in ("network", "options", "layer", "feature")}
    columns |= {"neuron": rng.integers(5, 9, 4000), "row": rng.integers(-1, 3, 4000), "depth": 0.5}
    columns |= {"view": "clip", "part": rng.choice(["within", "total"], 4000), "metric": "m"}
    columns |= {"score": 0.5, "n_observations": 9}
    table = schema.table_of(columns)
    expected = {tuple(row.values()) for row in table.select(schema.KEY).to_pylist()}
    assert len(np.unique(schema.keys(table))) == len(expected) < 4000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"view": "side"}, "unknown view 'side'.*known: clip, frame, map"),
        ({"part": "inside"}, "unknown part 'inside'"),
        ({"colour": "red"}, r"unknown \['colour'\]"),
        ({"neuron": np.arange(3)}, "one length"),
        ({"score": np.array([0, 1, np.inf, 0])}, "infinite score"),
        ({"valid": np.ones(4, bool)}, "no score although it is valid"),
    ],
)
def test_bad_columns_are_refused(tmp_path, changes, message):
    with pytest.raises(ScoresError, match=message) as error:
        write_scores(tmp_path / "scores" / "a.parquet", block() | changes, {})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "scores").exists()


def test_missing_columns_and_empty_sets_are_refused(tmp_path):
    columns = block()
    del columns["layer"]
    with pytest.raises(ScoresError, match=r"missing \['layer'\]"):
        write_scores(tmp_path / "a.parquet", columns, {})
    with pytest.raises(ScoresError, match="no scores to write"):
        write_scores(tmp_path / "a.parquet", [], {})
    with pytest.raises(ScoresError, match="one column; got 2"):
        block(whole_feature=True)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = write_scores(tmp_path / "a.parquet", block(), {"old": True})

    def full(table, file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        write_scores(path, block(), {"old": False})
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]
    assert json.loads(pq.read_schema(path).metadata[b"actjax"]) == {"old": True}


def test_the_newest_set_stands_where_keys_meet(tmp_path):
    import os

    old = write_scores(tmp_path / "scores" / "b.parquet", [block(), block(layer="conv2")], {})
    new = write_scores(
        tmp_path / "scores" / "a.parquet", [block([[0.9, 0.9], [0.9, 0.9]]), block(layer="x")], {}
    )
    os.utime(old, ns=(1, 1))
    os.utime(new, ns=(2, 2))
    columns = load_scores(tmp_path).to_pydict()
    by_layer = {
        layer: [s for s, own in zip(columns["score"], columns["layer"], strict=True) if own == layer]
        for layer in ("conv1", "conv2", "x")
    }
    assert by_layer["conv1"] == [np.float32(0.9)] * 4
    assert by_layer["conv2"][:3] == by_layer["x"][:3] == [0.5, -0.25, 0.125]


def test_loading_says_what_is_missing(tmp_path):
    with pytest.raises(ScoresError, match="no workdir .*expected the folder of a run"):
        load_scores(tmp_path / "nowhere")
    with pytest.raises(ScoresError, match="no score sets in .*`actjax score "):
        load_scores(tmp_path)
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "x.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(FileError, match="x.parquet: cannot be read as a score set"):
        load_scores(tmp_path)
    pq.write_table(pa.table({"score": [1.0]}), tmp_path / "scores" / "x.parquet")
    with pytest.raises(
        ScoresError,
        match="x.parquet is no score set: it differs in ci_high, ci_low, control_score",
    ):
        load_scores(tmp_path)
    columns = {name: [1.0] for name in ("\u202egnp", *schema.schema().names)}
    pq.write_table(pa.table(columns), tmp_path / "scores" / "x.parquet")
    with pytest.raises(ScoresError, match="no score set: it differs in") as error:
        load_scores(tmp_path)
    assert str(error.value).isprintable()


def test_no_flipped_bit_changes_a_score_unnoticed(tmp_path):
    path = write_scores(tmp_path / "scores" / "a.parquet", block(), {"step": 7})
    whole, right, found = path.read_bytes(), load_scores(tmp_path), 0
    for place in range(4, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 16
        path.write_bytes(damaged)
        try:
            # Statistics of pages have no checksum: nothing here is read by them.
            assert load_scores(tmp_path).drop_columns(["score"]).equals(right.drop_columns(["score"]))
            assert str(load_scores(tmp_path)["score"]) == str(right["score"])
        except (FileError, ScoresError) as error:
            assert "a.parquet" in str(error)
            found += 1
    assert found > len(whole) / 22


def test_a_set_of_the_first_version_is_read_without_its_empty_column(tmp_path):
    path = write_scores(tmp_path / "scores" / "a.parquet", block(), {"step": 7})
    table = pq.read_table(path).drop_columns(["control_score"])
    label = pa.array(["none"] * len(table)).dictionary_encode()
    pq.write_table(table.add_column(1, pa.field("control", label.type, nullable=False), label), path)
    found = load_scores(tmp_path)
    assert found.schema.equals(schema.schema()) and found["control_score"].null_count == len(found)
    assert scores_metadata(found) == {"a.parquet": {"step": 7}}


def test_rows_keep_their_names_and_a_set_of_the_second_version_has_none(tmp_path):
    named = block(row_names=("C", "C#"), unit="relative")
    whole = score_block(
        {"score": np.ones((2, 1))}, whole_feature=True, **(LABELS | {"metric": "cka", "unit": "dB"})
    )
    write_scores(tmp_path / "scores" / "new.parquet", [named, whole], {})
    old = write_scores(tmp_path / "scores" / "old.parquet", block(layer="conv2"), {})
    pq.write_table(pq.read_table(old).drop_columns(list(schema.NAMES)), old)
    found = {key: load_scores(tmp_path)[key].to_pylist() for key in ("layer", *schema.NAMES)}
    of_layer = [row for row in zip(*found.values(), strict=True) if row[0] == "conv1"]
    assert [name for _, name, _ in of_layer] == ["C", "C#", "C", "C#", "all", "all"]
    assert [unit for *_, unit in of_layer] == ["relative"] * 4 + ["dB"] * 2
    assert {row[1:] for row in zip(*found.values(), strict=True) if row[0] == "conv2"} == {(None, None)}


def test_a_set_of_which_no_row_stands_is_not_told_of(tmp_path):
    import os

    for name, time in (("old", 1), ("new", 2)):
        path = write_scores(tmp_path / "scores" / f"{name}.parquet", block(), {"recordings": time})
        os.utime(path, ns=(time, time))
    assert scores_metadata(load_scores(tmp_path)) == {"new.parquet": {"recordings": 2}}
