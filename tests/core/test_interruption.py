"""Signals are recorded, and Ctrl-C is answered while the main thread computes."""

import ctypes
import os
import signal
import threading

import pytest

from natlib.runtime.interruption import Interruption


def test_the_first_is_recorded_and_told_and_the_second_raises() -> None:
    said: list[str] = []
    handler = signal.getsignal(signal.SIGINT)
    with Interruption(said.append, "this update") as asked:
        assert asked.signal is None
        signal.raise_signal(signal.SIGINT)
        assert asked.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # a third one disturbs nothing
    assert said == ["Finishing this update; press Ctrl-C again to stop now."]
    assert signal.getsignal(signal.SIGINT) is handler
    assert signal.set_wakeup_fd(-1) == -1


def test_a_scheduler_is_not_told() -> None:
    said: list[str] = []
    with Interruption(said.append, "this update") as asked:
        signal.raise_signal(signal.SIGTERM)
    assert (asked.signal, said) == (signal.SIGTERM, [])


def test_two_during_one_operation_are_answered_in_it_and_count_as_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The operation ends when the second one has been answered, and never by a signal."""
    monkeypatch.setattr("natlib.runtime.interruption._SOON_SECONDS", 0.0)
    c = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(128)
    c.pthread_mutex_init(mutex, None)
    c.pthread_mutex_lock(mutex)
    said: list[str] = []
    threads = set()

    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def tell(text: str) -> None:
        said.append(text)
        threads.add(threading.current_thread())
        if len(said) == 1:
            press()
        else:
            c.pthread_mutex_unlock(mutex)

    def operation() -> None:
        with Interruption(tell, "this update"):
            threading.Thread(target=press).start()
            c.pthread_mutex_lock(mutex)

    with pytest.raises(KeyboardInterrupt):
        operation()
    assert said[0].startswith("Finishing this update;")
    assert threading.main_thread() not in threads


def test_where_somebody_else_listens_the_main_thread_tells() -> None:
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    before = signal.set_wakeup_fd(ends[1])
    said: list[str] = []
    try:
        with Interruption(said.append, "this update") as asked:
            signal.raise_signal(signal.SIGINT)
            assert said == ["Finishing this update; press Ctrl-C again to stop now."]
            assert asked.signal == signal.SIGINT
        assert os.read(ends[0], 8) == bytes([signal.SIGINT])
    finally:
        assert signal.set_wakeup_fd(before) == ends[1]
        for end in ends:
            os.close(end)


def test_in_another_thread_the_caller_handles_signals() -> None:
    handler = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with Interruption():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handler]
