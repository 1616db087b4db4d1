"""Section: the spectrum of features."""

from natlib.objectives import effective_rank
from natlib.report.charts import Curve, line_chart
from natlib.report.charts.axes import label
from natlib.report.page import Section
from natlib.report.spectrum import variance_shares
from natlib.report.subject import Subject

__all__ = ["spectrum"]

_NAMES = {"encoder": "encoder", "head": "head", "start": "encoder as it began"}
# Smaller shares are rounding errors.
_LEAST = 1e-9


def spectrum(subject: Subject) -> Section:
    """Shares of the variance by direction, of the encoder, the head and the encoder as it began.

    Args:
        subject: the run's model and samples.
    """
    curves, rows = [], []
    for key, name in _NAMES.items():
        shares = variance_shares(subject.features[key])
        visible = shares[shares > _LEAST]
        curves.append(
            Curve(name, [float(n) for n in range(1, len(visible) + 1)], visible.tolist(),
                  dashed=key == "start")
        )  # fmt: skip
        total = shares.cumsum(0)
        rows.append(
            {
                "name": name,
                "dimensions": subject.features[key].shape[1],
                # On the samples of ``natlib doctor``: the rank grows with their number.
                "effective": label(float(effective_rank(subject.features[key][subject.examined]))),
                "first": 100 * float(shares[0]),
                "most": int((total < 0.9).sum()) + 1 if len(visible) else 0,
            }
        )
    chart = line_chart(
        [curve for curve in curves if curve.x],
        log_x=True,
        log_y=True,
        x_name="principal direction",
        y_name="share of the variance",
    )
    values = {"chart": chart, "rows": rows, "samples": len(subject.examined)}
    return Section("spectrum", "Spectrum", "spectrum.html.j2", values)
