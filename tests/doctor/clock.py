"""A clock that tests set, so that no finding depends on the speed of the machine."""

__all__ = ["CLOCK"]


class Clock:
    """Replaces ``time.perf_counter``: each reading takes a microsecond."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now

    def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self.now += seconds


CLOCK = Clock()
