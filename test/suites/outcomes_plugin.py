"""A line of JSON for each test, as it ends: what it was, how it came out, and its first complaint."""

import json
import os
import re

ENDED = {}


def complaint(report):
    found = re.search(r"^E +((?:psycopg|sqlalchemy)\S*: .*|\w*Error.*)$", report.longreprtext, re.MULTILINE)
    return found.group(1) if found else ""


def pytest_runtest_logreport(report):
    outcome = "failed" if report.failed else "skipped" if report.skipped else "passed" if report.when == "call" else None
    known = ENDED.get(report.nodeid)
    if outcome is not None and (known is None or known["outcome"] != "failed"):
        ENDED[report.nodeid] = {"outcome": outcome, "complaint": complaint(report) if report.failed else ""}
    if report.when == "teardown" and report.nodeid in ENDED:
        with open(os.environ["OUTCOMES"], "a", encoding="utf8") as out:
            print(json.dumps({"name": report.nodeid, **ENDED[report.nodeid]}), file=out)
