"""Web requests time out on locks of other transactions."""

import pytest
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created

from listings import services
from marketplace.web import lock_waits
from recommendations.core import locks
from tests.recommendations.conftest import elsewhere


@pytest.fixture
def as_in_web(transactional_db, monkeypatch):
    """Open connections as a web process does."""
    monkeypatch.setattr(lock_waits, "LOCK_TIMEOUT", "100ms")
    lock_waits.set_lock_timeout()
    connection.close()
    yield
    connection_created.disconnect(dispatch_uid=lock_waits.__name__)
    connection.close()


def test_an_edit_that_waits_for_a_lock_times_out_and_writes_nothing(as_in_web, sofa):
    with elsewhere(locks.CHANGE_LOG), pytest.raises(OperationalError, match="lock timeout"):
        services.edit_listing(listing=sofa, title="Red sofa")
    sofa.refresh_from_db()
    assert sofa.title == "Blue sofa"
    services.edit_listing(listing=sofa, title="Red sofa")


def test_a_request_that_waits_for_a_lock_is_a_503_with_retry_after(as_in_web, as_alice, sofa):
    with elsewhere(locks.CHANGE_LOG):
        reply = as_alice.patch(f"/api/v1/listings/{sofa.external_id}/", {"title": "Red sofa"})
    assert (reply.status_code, "Retry-After" in reply.headers) == (503, True)
