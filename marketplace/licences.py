"""The licences of the pinned packages, as the packages themselves declare them.

`python -m marketplace.licences > docs/licences.md`, in an environment in which they are installed.
"""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
HEAD = """# Licences of the dependencies

What the pinned packages declare; `make licences` writes this page. Those of the second file are for tests
and lint alone.

| package | pinned in | licence |
| --- | --- | --- |"""
UNDECLARED = "not declared"
LONGEST = 80  # some write the whole text where its name belongs


def pinned(file: Path) -> list[str]:
    """The names of the packages that a file of requirements pins, in its order."""
    lines = file.read_text().splitlines()
    return [found[0] for line in lines if (found := re.match(r"[A-Za-z0-9][\w.-]*", line))]


def licence_of(package: str) -> str:
    """What an installed package declares: an SPDX expression, else a short name, else its classifiers."""
    try:
        declared = metadata(package)
    except PackageNotFoundError:
        return "not installed here"
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in declared.get_all("Classifier", [])
        if line.startswith("License :: ") and not line.endswith(":: OSI Approved")
    ]
    text = (declared.get("License") or "").strip()
    short = text if len(text) <= LONGEST and "\n" not in text else ""
    return declared.get("License-Expression") or ", ".join(classifiers) or short or UNDECLARED


def table() -> str:
    """Every pinned package with its licence, as a page of Markdown."""
    rows = [(package, file.name, licence_of(package)) for file in PINS for package in pinned(file)]
    return "\n".join([HEAD, *(f"| {' | '.join(row)} |" for row in rows)])


if __name__ == "__main__":
    print(table())
