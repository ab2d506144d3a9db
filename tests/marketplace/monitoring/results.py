"""Results of the health checks."""

from contextlib import contextmanager

import pytest
from django.db import connections
from django.utils import timezone

from marketplace.monitoring import checks
from marketplace.monitoring.results import CheckResult


def results(now=None) -> dict[str, CheckResult]:
    """Lines by name and label."""
    looked = checks.run_checks(now or timezone.now())
    return {"/".join([line.name, *line.labels.values()]): line for line in looked}


@contextmanager
def no_database():
    """This process cannot reach PostgreSQL for a while."""
    database, patch = connections["default"], pytest.MonkeyPatch()
    patch.setitem(database.settings_dict, "HOST", "/nowhere")
    database.close()
    try:
        yield
    finally:
        patch.undo()
        database.close()
