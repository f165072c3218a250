"""How fast every metric is, beside what people use instead and the plain matrix product.

    python launch.py --config=configs/speed_benchmark.py --stage=benchmark

1,024 neurons x 256 rows x 20,000 observations; how long the whole takes has not been measured.
--config.benchmark.full takes 4,096 neurons, all metrics and up to 10^9 pairs where they fit. Other shapes:
--config.benchmark.kind="speed(neurons=512, observations=5000)". Writes speed.csv, speed.md and speed.png
into runs/speed_benchmark/benchmark/.
"""

from actjax.defaults import default_config


def get_config():
    """The defaults, with the speed benchmark."""
    config = default_config()
    config.benchmark.kind = "speed"
    return config
