"""``python -m natlib_cli``, for torchrun."""

from natlib_cli.main import run

if __name__ == "__main__":
    run()
