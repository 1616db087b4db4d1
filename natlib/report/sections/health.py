"""Section: the findings of ``natlib doctor``."""

from natlib.doctor import Finding, RunReport, Verdict, evidence_text
from natlib.report.page import Section

__all__ = ["health"]

# What is to be done comes first; what cannot occur is only named.
_ORDER: tuple[Verdict, ...] = ("act", "unknown", "fine")
_STATES = {"act": "✗ act", "unknown": "? unknown", "fine": "✓ fine"}


def health(report: RunReport) -> Section:
    """The findings with their numbers, those that ask for action first.

    Args:
        report: the diagnosis of the run.
    """
    findings = [
        _finding(name, finding)
        for verdict in _ORDER
        for name, finding in report.findings.items()
        if finding.verdict == verdict
    ]
    values = {
        "findings": findings,
        "counts": {
            verdict: sum(finding["verdict"] == verdict for finding in findings)
            for verdict in _ORDER
        },
        "irrelevant": [
            name for name, finding in report.findings.items() if finding.verdict == "irrelevant"
        ],
    }
    return Section("health", "Health", "health.html.j2", values)


def _finding(name: str, finding: Finding) -> dict[str, object]:
    return {
        "name": name,
        "verdict": finding.verdict,
        "state": _STATES[finding.verdict],
        "message": finding.message,
        "numbers": evidence_text(finding.evidence),
        "next_step": finding.next_step,
        "names": finding.names,
    }
