"""Findings as SARIF 2.1.0 (OASIS 2020), as code scanning of GitHub reads it."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from lrbench.check.finding import Finding, without_replaced
from lrbench.check.report import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(reports: Sequence[Report], rules: Mapping[str, str], version: str, file: str) -> dict[str, Any]:
    """A log with one run. rules: what each finds. version: of lrbench. file: where the findings are to be shown, as a
    path in the repository; which job it was says the logical location."""
    found = [(report, finding) for report in reports for finding in report.findings]
    seen = sorted({finding.rule for _, finding in found})
    driver = {
        "name": "lrbench",
        "semanticVersion": version,
        "rules": [_rule(rule, rules) for rule in seen],
    }
    results = [_result(report, finding, seen.index(finding.rule), file) for report, finding in found]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rule(rule: str, rules: Mapping[str, str]) -> dict[str, Any]:
    name = "".join(word.title() for word in rule.removeprefix("check.").split("-"))
    return {"id": rule, "name": name, "shortDescription": {"text": rules[rule]}}


def _result(report: Report, f: Finding, index: int, file: str) -> dict[str, Any]:
    gone = without_replaced(report.overrides, f.cure)[1]
    instead = f" instead of {' '.join(gone)}" if gone else ""
    cure = f" Cure: {' '.join(f.cure) or f.otherwise}{instead}." if f.cure or f.otherwise else ""
    job = " ".join(report.overrides) or "the defaults"
    where = {
        "physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": 1}},
        "logicalLocations": [{"name": report.label, "fullyQualifiedName": job, "kind": "object"}],
    }
    result: dict[str, Any] = {
        "ruleId": f.rule,
        "ruleIndex": index,
        "level": f.severity,
        "message": {"text": f"{f.says}{cure} [{job}]"},
        "locations": [where],
        "partialFingerprints": {"lrbench/v1": sha256(f"{f.rule} {job}".encode()).hexdigest()[:32]},
    }
    if f.rule in report.accepts:
        reason = report.accepts[f.rule]
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": reason}]
    return result
