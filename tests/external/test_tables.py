"""Tables of features: what is no number or no column is said with its line; no digits are lost unsaid."""

import numpy as np
import pandas as pd
import pytest

from actjax.external.features import open_features
from actjax.files import FileError

IDS = list("abc")


def read(folder, content, name="f.csv"):
    """(row names, [clip, row] values, lines said) of a table."""
    path, said = folder / name, []
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    [feature] = open_features([path], IDS, say=said.append)
    return feature.row_names, feature.of_clips(np.arange(3))[:, :, 0], said


def test_an_index_column_of_pandas_is_no_feature(tmp_path):
    table = pd.DataFrame({"clip_id": IDS, "x": [5.0, 6.0, 7.0]})
    for frame in (table, table.set_index(pd.Index([3, 5, 9]))):
        names, values, said = read(tmp_path, frame.to_csv())
        assert names == ("x",) and values[:, 0].tolist() == [5, 6, 7]
        assert said == ["f.csv: column 1, an index without a name, is not scored"]
    table.set_index(pd.Index([3, 5, 9])).to_parquet(tmp_path / "f.parquet")
    [feature] = open_features([tmp_path / "f.parquet"], IDS, say=lambda _: None)
    assert feature.row_names == ("x",)


def test_epoch_seconds_keep_their_differences(tmp_path):
    rows = "clip_id,t,u\na,1700000000,1\nb,1700000001,2\nc,1700000003.25,\n"
    names, values, said = read(tmp_path, rows)
    np.testing.assert_array_equal(values, np.array([[0, 1], [1, 2], [3.25, np.nan]], np.float32))
    assert said == ["f.csv: t less 1700000000, as float32 would round away how they differ"]
    series = 2e9 + np.arange(12, dtype=np.int64).reshape(3, 2, 2)
    np.savez(tmp_path / "s.npz", clip_ids=np.array(IDS), s=series, **{"s/hop_s": 0.1, "s/time0_s": 0.0})
    [feature] = open_features([tmp_path / "s.npz"], IDS, say=said.append)
    first = np.array([0, 2])[:, None]
    np.testing.assert_array_equal(feature.of_clips(np.arange(3)), series - 2e9 - first)
    assert "s 0 less 2000000000, s 1 less 2000000002" in said[1]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("clip_id,x,x\na,1,9\nb,2,8\nc,3,7\n", "columns 2 and 3 are both named 'x'"),
        ("clip_id,x,,y\na,1,9,2\n", "column 3 has no name"),
        ("clip_id,x\na,1\nb\n", "line 3: expected 2 columns, got 1"),
        ("clip_id,x\na,1\n,2\nc,3\n", "line 3: expected a clip id"),
        ("clip_id,x\na,1\nb,loud\nc,3\n", "line 3: expected numbers in column 'x', got 'loud'"),
        ("clip_id,x\na,1\nb,inf\nc,3\n", "line 3: expected numbers in column 'x', got 'inf'"),
        ("clip_id,x\na,1\nb,1_0\nc,3\n", "line 3: expected numbers in column 'x', got '1_0'"),
        (
            "clip_id;x\na;1,5\nb;2\nc;3\n",
            "line 2: expected numbers in column 'x', got '1,5': write a decimal",
        ),
        ('clip_id,x\na,"1\nb,2\nc,3\n', "a quote that is not closed"),
        ("clip_id,x\na,1\nb,2\na,3\nc,1\n", r"1 clip ids stand more than once: a \(lines 2 and 4\)"),
        ("clip_id,x\na,1\nb,2\n", "lacks 1 of the 3 clips of the split: c"),
        (b"clip_id,x\na,1\nb,2\nc\xe9,3\n", "line 4: expected text in UTF-8, got the byte 0xe9"),
        ("clip_id,x\na,1e39\nb,2\nc,3\n", "beyond the range of float32"),
        ("x,y\n1,2\n", "expected columns clip_id and numbers, got x, y"),
        ("", "expected columns clip_id and numbers, got none"),
        (b"\x00" * 40, "expected columns clip_id"),
    ],
)
def test_what_is_wrong_in_a_table_is_said_with_its_line(tmp_path, content, match):
    with pytest.raises(FileError, match=f"f.csv: .*{match}") as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("\ufeffclip_id,x\r\na,1\r\nb,2\r\nc,\r\n", "f.csv"),
        ('"clip_id";"x"\n"a";1\n"b";"2"\n"c";NA\n', "f.csv"),
        ("clip_id\tx\na\t1\nb\t2\nc\tnan\n", "f.tsv"),
        ("clip_id\tx\na\t1\nb\t2\nc\t\n".encode("utf-16"), "f.csv"),
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path, content, name):
    names, values, said = read(tmp_path, content, name)
    np.testing.assert_array_equal(values[:, 0], np.array([1, 2, np.nan], np.float32))
    assert names == ("x",) and not said
