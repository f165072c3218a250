"""`python -m actjax.benchmark.speed`."""

from actjax.benchmark.speed.run import main

main()
