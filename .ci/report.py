"""The tables at the end of CI.

report.py FOLDER    reads what `run` left in the folder; exit status 1 if a step failed
report.py rows      names the rows of hatch.toml
"""

from __future__ import annotations

import collections
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

LINE = "{:<18} {:>8} {:>8} {:>8} {:>8}   {}"


def row_names() -> list[str]:
    """Return the names of the rows of hatch.toml, as hatch itself reads them."""
    environments = json.loads(subprocess.check_output(["hatch", "env", "show", "--json"]))
    return [name.split(".", 1)[1] for name in environments if name.startswith("rows.")]


def read_step(status_file: pathlib.Path) -> tuple[int, int, collections.Counter[str], list[str]]:
    """Return the exit status of a step, its seconds, the counts of its tests, and the reasons of all skips."""
    status, seconds = map(int, status_file.read_text().split())
    counts: collections.Counter[str] = collections.Counter()
    skips = []
    junit = status_file.with_suffix(".xml")
    if junit.exists():
        for case in ElementTree.parse(junit).iter("testcase"):
            kinds = {child.tag: child for child in case}
            if "failure" in kinds or "error" in kinds:
                counts["failed"] += 1
            elif "skipped" in kinds:
                counts["skipped"] += 1
                skips.append(kinds["skipped"].get("message", ""))
            else:
                counts["passed"] += 1
    return status, seconds, counts, skips


def report(folder: pathlib.Path) -> bool:
    """Print the tables, and return whether all is well."""
    total: collections.Counter[str] = collections.Counter()
    failed_steps = []
    # reason of a skip -> number of tests -> steps that skip so many tests for this reason
    reasons: dict[str, dict[int, list[str]]] = collections.defaultdict(dict)
    print("\n" + LINE.format("step", "passed", "skipped", "failed", "seconds", ""))
    for status_file in sorted(folder.glob("*.status"), key=lambda path: path.stat().st_mtime):
        name = status_file.stem
        status, seconds, counts, skips = read_step(status_file)
        for reason, count in collections.Counter(skips).items():
            reasons[reason].setdefault(count, []).append(name)
        if status:
            failed_steps.append(name)
        if status and not counts["failed"]:
            counts["failed"] = 1  # it broke before, after or without pytest
        total.update(counts)
        verdict = f"exit status {status}, see {name}.log" if status else ""
        print(LINE.format(name, counts["passed"], counts["skipped"], counts["failed"], seconds, verdict))
    print("\nskipped, by reason:" if reasons else "\nnothing skipped")
    for reason, where in sorted(reasons.items()):
        print("  " + reason)
        for count, names in where.items():
            print(f"      {count} tests on {' '.join(names)}")
    print(f"\nfailed: {', '.join(failed_steps)}" if failed_steps else "\nall steps passed")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return not failed_steps


if __name__ == "__main__":
    if sys.argv[1] == "rows":
        print(*row_names())
    else:
        sys.exit(not report(pathlib.Path(sys.argv[1])))
