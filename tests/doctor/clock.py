"""A clock on which only what a test says takes time, so that no finding depends on the machine."""

__all__ = ["CLOCK"]


class Clock:
    """Stands for ``time.perf_counter``: a microsecond passes with each reading."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


CLOCK = Clock()
