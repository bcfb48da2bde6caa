"""The report as JUnit XML, which CI servers show: a test case for each edge, each finding, each mutant.

An edge that was not taken is skipped, with the reason: whether that is too few, `--fail-under` says.
"""

from collections.abc import Sequence
from xml.etree import ElementTree

from fsmkit.testing.findings import Finding
from fsmkit.testing.mutation.mutants import Hunted
from fsmkit.testing.report import Report, told


def junit(report: Report, short: Sequence[str] = ()) -> str:
    """The report as the text of a JUnit file.

    Args:
        report: The report.
        short: What `Report.short_of` says; each of it is a failure.
    """
    suite = ElementTree.Element("testsuite", name="fsmkit", time=f"{sum(report.seconds.values()):.3f}")
    for finding in report.findings:
        _finding(suite, finding)
    if report.steps:
        _edges(suite, report)
    for hunted in report.mutants.hunted if report.mutants is not None else ():
        _mutant(suite, hunted)
    for line in short:
        _said(_case(suite, "fsmkit.wanted", line.partition(":")[0]), "failure", line)
    for kind, name in (("testcase", "tests"), ("failure", "failures"), ("skipped", "skipped")):
        suite.set(name, str(sum(1 for _ in suite.iter(kind))))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, "unicode") + "\n"


def _finding(suite: ElementTree.Element, finding: Finding) -> None:
    case = _case(suite, f"{finding.flow}.findings", f"{finding.code} {finding.where or ''}".strip())
    if finding.note:
        _said(case, "skipped", finding.line)
    else:
        _said(case, "failure", finding.line, str(finding))


def _edges(suite: ElementTree.Element, report: Report) -> None:
    coverage = report.coverage
    impossible = coverage.impossible_edges()
    for key, edge in coverage.declared.items():
        case = _case(suite, f"{edge.flow}.edges", told(edge))
        if edge in impossible:
            _said(case, "skipped", f"cannot be taken: {impossible[edge]}")
        elif key not in coverage.edges:
            reason = report.reasons.get(edge)
            _said(case, "skipped", f"not taken{f': {reason}' if reason else ''}")


def _mutant(suite: ElementTree.Element, hunted: Hunted) -> None:
    case = _case(suite, f"{hunted.mutant.site.flow}.mutants", hunted.line)
    if hunted.fate != "noticed":
        _said(case, "skipped", hunted.fate)


def _case(suite: ElementTree.Element, group: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_plain(group), name=_plain(name))


def _said(case: ElementTree.Element, kind: str, message: str, text: str = "") -> None:
    said = ElementTree.SubElement(case, kind, message=_plain(message))
    if text:
        said.text = _plain(text)


def _plain(text: str) -> str:
    """Text without what XML 1.0 has no way to write: control characters, and half a surrogate."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
