"""`python -m actjax.benchmark.feature_speed`."""

from actjax.benchmark.feature_speed.run import benchmark, table

print(table(benchmark()))
