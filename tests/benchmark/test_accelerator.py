"""The table of an accelerator, on sizes that a CPU does in seconds."""

import flax.linen as nn
import numpy as np
import pytest

from actjax.benchmark import timing
from actjax.benchmark.accelerator import limits, references, rows, run, scaling, table, training, worker
from actjax.similarity.api import score


def test_a_table_is_made_and_not_made_again(tmp_path, capfd):
    written = run.benchmark(tmp_path, ["ceilings", "pearson"], tiny=True, seconds=300)
    assert [path.name for path in written] == ["results.jsonl", "table.md", "accelerator.png"]
    lines = rows.latest(rows.read(tmp_path))
    first = lines["pearson", "pearson, neurons first"]
    assert first["ms"] > 0 and first["error"] < 1e-6 and first["shape"] == "24 x 6 x 300"
    assert limits.of_row(first, limits.rates(lines)).ms < first["ms"]
    page = (tmp_path / "table.md").read_text()
    assert "| actjax.score of NumPy arrays |" in page and "## Ranks\n\nNot measured." in page
    assert "float32 product" in page and "jax" in page
    size = (tmp_path / "results.jsonl").stat().st_size
    run.benchmark(tmp_path, ["ceilings", "pearson"], tiny=True, seconds=300)
    assert (tmp_path / "results.jsonl").stat().st_size == size


def test_a_row_that_fails_leaves_the_others(tmp_path, monkeypatch, capsys):
    def full():
        raise MemoryError("out of memory on 80 GB")

    section = rows.Section(
        "small", "Small", lambda tiny: {"full": full, "fine": lambda: rows.Job(lambda: np.ones(3), "3")}
    )
    monkeypatch.setattr(worker, "SECTIONS", {"small": section})
    worker.measure(tmp_path, ["small"], tiny=True, until=np.inf)
    lines = rows.latest(rows.read(tmp_path))
    assert lines["small", "full"]["failed"] == "MemoryError: out of memory on 80 GB"
    assert lines["small", "fine"]["ms"] >= 0
    page = table.markdown(rows.read(tmp_path), lines, [section], "command")
    assert "| full | MemoryError: out of memory on 80 GB |" in page


def test_what_ended_a_process_is_not_tried_again_and_what_was_cut_short_is(tmp_path):
    head = {"section": "ranks", "row": "auc"}
    rows.append(tmp_path, head | {"failed": "the process ended"})
    with (tmp_path / rows.NAME).open("a") as file:
        file.write('{"section": "ranks", "ro')
    assert list(rows.latest(rows.read(tmp_path))) == [("ranks", "auc")]
    (tmp_path / rows.NAME).unlink()
    rows.append(tmp_path, head | {"failed": "the process ended"})
    rows.append(tmp_path, head | {"cut_short": True})
    assert not rows.latest(rows.read(tmp_path))


def test_lines_stand_beside_those_of_the_speed_benchmark(tmp_path):
    speed_csv = tmp_path / "speed.csv"
    speed_csv.write_text(
        "part,name,pairs,seconds,observations,device\n"
        "metrics,pearson,6144,0.1,1000,2-core CPU\n"
        "scaling,pearson,1000,0.1,1000,2-core CPU\n"
        "scaling,pearson,10000,0.3,1000,2-core CPU\n"
    )
    with pytest.raises(ValueError, match="section scaling"):
        run.speed_picture(tmp_path, speed_csv)
    rows.append(tmp_path, {"machine": {"device": "1 x H100"}})
    for pairs in (1e5, 1e3):
        point = {
            "section": "scaling",
            "row": f"{pairs}",
            "line": "pearson",
            "pairs": pairs,
            "ms": pairs / 1e3,
        }
        rows.append(tmp_path, point)
    curves = scaling.points(rows.latest(rows.read(tmp_path)))
    assert curves == {"pearson": {1e3: 1e-3, 1e5: 0.1}}
    assert run.speed_picture(tmp_path, speed_csv).stat().st_size > 0


def test_limits_are_the_largest_of_what_must_be_done():
    measured = {"copy": 1000.0, "float32 product": 50.0, "bfloat16 product": 600.0, "sort": 10.0}
    measured |= {"host to device": 20.0, "device to host": 10.0}
    line = {"memory_bytes": 1e9, "operations": 1e12}
    assert limits.of_row(line, measured) == pytest.approx((5.0, "3 bfloat16 products"))
    assert limits.of_row(line | {"half_products": 1}, measured)[0] == pytest.approx(1e3 / 600)
    assert limits.of_row(line | {"sorted_keys": 10**8}, measured) == pytest.approx((10.0, "sort"))
    assert limits.of_row(line | {"bus_bytes": (1e9, 1e8)}, measured) == pytest.approx((60.0, "bus"))
    assert limits.of_row(line, {}) is None


@pytest.mark.parametrize("name", ["inverse_auc", "balanced_accuracy", "mutual_information", "kendall"])
def test_references_agree(name):
    rng = np.random.default_rng(0)
    y = rng.standard_normal((90, 3))
    x = y[:, [0, 1, 1, 2]] + rng.standard_normal((90, 4))
    expected = getattr(references, name)(x.T, y.T)
    np.testing.assert_allclose(score(x, y, name), expected, atol=1e-6)


def test_the_reference_of_rank_reorder_leaves_inputs_that_tie_in_their_order():
    rng = np.random.default_rng(0)
    x, p = rng.standard_normal((2, 400)).astype(np.float32), rng.integers(1, 12, (3, 400)) / np.float32(16)
    found = score(x.T, p.T, "rank_reorder", probability="given")
    np.testing.assert_allclose(found, references.rank_reorder(x, p), rtol=2e-6)


def test_operations_are_those_of_convolutions_and_dense_layers():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, image_bft, *, train):
            x = nn.Conv(7, (3, 5), strides=2, padding="VALID")(image_bft[..., None])
            return nn.Dense(11)(nn.relu(x).reshape(len(x), -1))

    cells = 4 * 6 * 7
    assert training.forward_operations(Network(), (9, 15)) == 2 * cells * 3 * 5 + 2 * cells * 11


def test_medians_leave_the_first_run_out():
    calls = []
    taken = timing.median(lambda: calls.append(1), least=4, most=6, seconds=0.0)
    assert taken.runs == 3 and len(calls) == 5
