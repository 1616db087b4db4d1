"""Run checks, and report what fails."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from natlib.component import Component
from natlib.errors import NatlibError

__all__ = ["ContractError", "Named", "expect", "refuses", "run_checks", "same", "threads"]

T = TypeVar("T")
Named = tuple[str, Callable[[T], None]]
"""The name of a check, and the check."""


class ContractError(NatlibError, AssertionError):
    """A component violates the contract of its family."""


def expect(ok: object, received: str, expected: str, advice: str) -> None:
    """Fail unless a condition holds.

    Args:
        ok: the condition.
        received: what was found.
        expected: what the contract requires.
        advice: where to look.

    Raises:
        ContractError: the condition does not hold.
    """
    if not ok:
        raise ContractError(f"{received}; expected {expected}; {advice}")


def refuses(
    action: Callable[[], object], errors: type[Exception], what: str, advice: str
) -> Exception:
    """Fail unless an action raises one of natlib's errors, and return the error.

    Raises:
        ContractError: it raises nothing or another error, or the message has several lines.
    """
    try:
        action()
    except errors as error:
        text = str(error)
        expect(
            text and "\n" not in text,
            f"{what} raised {type(error).__name__} with the text {text!r}",
            "one line that says what was received, what is expected and what to do",
            advice,
        )
        return error
    except Exception as error:
        found = f"{what} raised {type(error).__name__}: {' '.join(str(error).split())}"
    else:
        found = f"{what} raised nothing"
    raise ContractError(f"{found}; expected {errors.__name__}; {advice}")


def run_checks(component: Component, subject: T, checks: Iterable[Named[T]]) -> tuple[str, ...]:
    """Run checks; the state of torch's global generators is restored.

    Args:
        component: the component that is checked, for messages.
        subject: what the checks get.
        checks: the checks, in order.

    Returns:
        The names of the checks, all of which passed.

    Raises:
        ContractError: the first check that fails; the message begins with its name.
    """
    noun = f"{component.registry.noun} '{component.kind}'"
    done = []
    for name, check in checks:
        where = f"the {noun} fails the check '{name}'"
        try:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                check(subject)
        except ContractError as error:
            raise ContractError(f"{where}: {error}") from error
        except Exception as error:  # foreign code may raise anything
            what = " ".join(str(error).split())
            raise ContractError(
                f"{where}: it raised {type(error).__name__}: {what}; expected no error; "
                "see the traceback above"
            ) from error
        done.append(name)
    return tuple(done)


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal, including type and shape."""
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set torch's number of threads within a context."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
