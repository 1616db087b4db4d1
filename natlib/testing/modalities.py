"""The contract of modalities."""

from collections.abc import Sequence
from typing import Any

from natlib.data import Modality
from natlib.testing.component import COMPONENT_CHECKS
from natlib.testing.contract import run_checks
from natlib.testing.modality_samples import SAMPLE_CHECKS
from natlib.testing.modality_settings import SETTING_CHECKS
from natlib.testing.modality_subject import ModalitySubject
from natlib.testing.modality_views import VIEW_CHECKS

__all__ = ["check_modality"]


def check_modality(modality: Modality, items: Sequence[Any] = ()) -> tuple[str, ...]:
    """Check everything between a source and the first update of the weights.

    Use a small source: some checks read all training samples, others sixteen of them.

    Args:
        modality: not resolved yet; its source, or its default one, has at least sixteen samples
            that can be decoded.
        items: some items that ``samples`` reads (for ``model.embed``): paths or arrays.

    Returns:
        The names of the checks, all of which passed.

    Raises:
        ContractError: a check fails; the message says which.
    """
    component = [
        (name, lambda s, check=check: check(s.modality)) for name, check in COMPONENT_CHECKS
    ]
    checks = (*component, *SETTING_CHECKS, *SAMPLE_CHECKS, *VIEW_CHECKS)
    return run_checks(modality, ModalitySubject(modality, items), checks)
