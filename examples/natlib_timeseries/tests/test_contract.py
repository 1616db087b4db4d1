"""The plug-in keeps natlib's contracts."""

import numpy as np
import pytest
from natlib_timeseries.encoder import Conv1d
from natlib_timeseries.modality import TimeSeries

from natlib.errors import ConfigError
from natlib.testing import check_encoder, check_modality


def test_modality() -> None:
    check_modality(TimeSeries(), items=[np.zeros((2, 96)), np.ones((2, 96))])


@pytest.mark.parametrize("shape", [(1, 24), (3, 100)])
def test_encoder(shape: tuple[int, int]) -> None:
    check_encoder(Conv1d(widths=(8, 16)), shape)


def test_an_encoder_says_what_it_needs() -> None:
    with pytest.raises(ConfigError, match=r"needs inputs \[channels, time\], got \[7\]"):
        Conv1d().build((7,))
