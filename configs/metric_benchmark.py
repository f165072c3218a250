"""The benchmark of the similarity metrics themselves: label checks, planted neurons, interventions.

    python launch.py --config=configs/metric_benchmark.py --stage=benchmark

Writes runs/metric_benchmark/benchmark: the leaderboard in three tracks, a page of pictures and all tables.
In a workdir that holds a trained quickstart (--workdir=runs/quickstart) its network takes part in the check
by interventions. On two CPU cores it took 260 s and 3.4 GB. Smaller:
--config.benchmark.kind="metrics(metrics='pearson,spearman',parts='plants')".
"""

from actjax.defaults import default_config


def get_config():
    """The defaults, with the benchmark of metrics."""
    config = default_config()
    config.benchmark.kind = "metrics"
    return config
