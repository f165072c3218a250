"""`python -m actjax.benchmark.feature_speed`."""

from actjax.benchmark.feature_speed.run import benchmark
from actjax.pages.rows import markdown

print(markdown(benchmark()))
