"""Constraints of events."""

import pytest
from django.db import IntegrityError, connection, transaction

from recommendations.models.events import Interaction, ParkedInteraction


def test_an_event_of_a_source_is_stored_once(bob, sofa, now):
    event = {"event_id": "1", "actor": bob, "listing": sofa, "kind": "view", "occurred_at": now}
    for source in ("actor:bob", "service:shop"):
        Interaction.objects.create(source=source, **event)
    with pytest.raises(IntegrityError), transaction.atomic():
        Interaction.objects.create(source="actor:bob", **event)


def test_a_parked_event_of_a_source_is_stored_once(bob, now):
    event = {"event_id": "1", "actor": bob, "listing_external_id": "later", "kind": "view"}
    ParkedInteraction.objects.create(source="actor:bob", occurred_at=now, **event)
    with pytest.raises(IntegrityError), transaction.atomic():
        ParkedInteraction.objects.create(source="actor:bob", occurred_at=now, **event)


def test_an_event_carries_the_id_of_the_transaction_that_stored_it(bob, sofa, now):
    Interaction.objects.create(
        source="tests", event_id="1", actor=bob, listing=sofa, kind="view", occurred_at=now
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        [current] = cursor.fetchone()
    assert Interaction.objects.get().transaction_id == current
    assert Interaction.objects.filter(transaction_id=current).exists()
