"""`python -m actjax`, and `actjax` once it is installed."""

from actjax.command import program

if __name__ == "__main__":
    program.start_installed()
