"""`python -m actjax.benchmark.accelerator --out FOLDER`."""

from actjax.benchmark.accelerator.run import main

main()
