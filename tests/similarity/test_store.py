import numpy as np
import pytest

from actjax.similarity.store import ObservationStore


@pytest.mark.parametrize("block_bytes", [1, 4 * 7 * 5, 1 << 20])
def test_columns_come_back_as_they_went_in(tmp_path, block_bytes):
    rows = np.random.default_rng(0).standard_normal((53, 7)).astype(np.float32)
    with ObservationStore(tmp_path / "rows", 7, block_bytes=block_bytes) as store:
        for start in range(0, 53, 8):
            store.append(rows[start : start + 8])
        assert store.rows == 53
        np.testing.assert_array_equal(store.read(0, 7), rows.T)
        np.testing.assert_array_equal(store.read(2, 5), rows[:, 2:5].T)
        store.append(rows[:3])
        np.testing.assert_array_equal(store.read(6, 7)[0], np.append(rows[:, 6], rows[:3, 6]))


@pytest.mark.parametrize("block_bytes", [1, 4 * 7 * 5, 1 << 20])
def test_a_store_goes_on_from_where_it_was_saved(tmp_path, block_bytes):
    rows = np.random.default_rng(0).standard_normal((53, 7)).astype(np.float32)
    with ObservationStore(tmp_path / "rows", 7, block_bytes=block_bytes) as store:
        store.append(rows[:20])
        blocks = store.saved()
        store.append(rows[20:40] + 1)
    with ObservationStore(tmp_path / "rows", 7, block_bytes=block_bytes, blocks=blocks) as store:
        assert store.rows == 20
        store.append(rows[20:])
        np.testing.assert_array_equal(store.read(0, 7), rows.T)
    (tmp_path / "rows").write_bytes(b"")
    with pytest.raises(OSError, match="expected 560 bytes of observations"):
        ObservationStore(tmp_path / "rows", 7, blocks=blocks)


def test_bad_rows(tmp_path):
    message = r"rows of 3 columns, got shape \(2, 4\)"
    with ObservationStore(tmp_path / "rows", 3) as store, pytest.raises(ValueError, match=message):
        store.append(np.ones((2, 4), np.float32))
    with ObservationStore(tmp_path / "rows", 3) as store:
        for wide in (np.float64, np.int32):
            with pytest.raises(ValueError, match=f"that float32 holds, got {wide.__name__}"):
                store.append(np.ones((2, 3), wide))
        store.append(np.ones((2, 3), np.float16))
        assert store.read(0, 3).dtype == np.float32
    with pytest.raises(ValueError, match="at least 1 column, got 0"):
        ObservationStore(tmp_path / "none", 0)
