"""`python -m actjax.benchmark.metrics`."""

from actjax.benchmark.metrics.run import main

main()
