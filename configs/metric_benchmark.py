"""The benchmark of the similarity metrics themselves: label checks, planted neurons, interventions.

    python launch.py --config=configs/metric_benchmark.py --stage=benchmark

Writes runs/metric_benchmark/benchmark: the leaderboard in three tracks, a page of pictures and all tables.
The whole has not been timed (an estimate from its pieces: 300 to 450 CPU seconds). Smaller:
--config.benchmark.kind="metrics(metrics='pearson,spearman',parts='plants')".
"""

from actjax.defaults import default_config


def get_config():
    """The defaults, with the benchmark of metrics."""
    config = default_config()
    config.benchmark.kind = "metrics"
    return config
