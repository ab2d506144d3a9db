"""docs/licences.md names every package that is pinned."""

import re

import pytest

from marketplace import licences

PAGE = licences.ROOT / "docs" / "licences.md"


def listed() -> dict[str, str]:
    """Package: licence, as the page has it."""
    rows = re.findall(r"^\| (\S+) \| requirements\S* \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize("file", licences.PINS, ids=lambda file: file.name)
def test_every_pinned_package_is_listed(file):
    packages = licences.pinned(file)
    assert len(packages) > 5
    assert set(packages) <= set(listed())


def test_no_package_is_listed_that_is_not_pinned():
    assert set(listed()) == {package for file in licences.PINS for package in licences.pinned(file)}


def test_all_of_them_are_known():
    assert "not installed here" not in listed().values()


def test_a_declared_licence_is_found_however_it_is_declared():
    assert licences.licence_of("django") == "BSD-3-Clause"  # an expression
    assert licences.licence_of("django-filter") == "BSD License"  # a classifier
    assert licences.licence_of("celery") == "BSD-3-Clause"  # a name
    assert licences.licence_of("no-such-package-here") == "not installed here"
