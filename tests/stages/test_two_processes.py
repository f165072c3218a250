"""Two real processes with two devices each, through the command line: the scores of one process."""

import pytest
from launching import TINY, finish, free_port, launch

SMALL = (
    *TINY,
    "--config.score.networks=untrained,input",
    "--config.score.layers=conv1|dense1",
    "--config.score.features=log_mel,rms",
    "--config.score.metrics=pearson,spearman,cka",
    "--config.score.null=none",
    "--config.report.examples=1",
)


def start(folder, workdir, stage, *arguments, devices=2):
    options = (f"--stage={stage}", *SMALL, *arguments)
    return launch(folder / workdir, folder / "data", *options, devices=devices)


def scores(folder, workdir):
    import pyarrow.parquet as pq

    (path,) = (folder / workdir / "scores").glob("*.parquet")
    keys = ("network", "layer", "neuron", "feature", "row", "view", "metric")
    return {tuple(r[k] for k in keys): r for r in pq.read_table(path).to_pylist()}


@pytest.mark.long
def test_two_processes_score_as_one_does(tmp_path):
    finish(start(tmp_path, "one", "data"))
    finish(start(tmp_path, "one", "score", devices=1))
    together = (f"--coordinator=localhost:{free_port()}", "--num_processes=2")
    finish(*(start(tmp_path, "two", "score", *together, f"--process_id={i}") for i in range(2)))
    one, two = scores(tmp_path, "one"), scores(tmp_path, "two")
    assert one.keys() == two.keys() and len(one) > 1000
    assert {key[-1] for key in one} == {"pearson", "spearman", "cka"}
    for key, row in one.items():
        other = two[key]
        assert row["n_observations"] == other["n_observations"] and row["valid"] == other["valid"], key
        if row["valid"]:
            assert other["score"] == pytest.approx(row["score"], abs=1e-5), key
