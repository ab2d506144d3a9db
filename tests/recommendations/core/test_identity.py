"""Identities of a person: the member and the visitors merged into them."""

import pytest
from django.db import connection

from listings.models import Actor
from recommendations.core import identity
from recommendations.models.events import Interaction
from tests import factories


@pytest.fixture
def visitors(bob) -> list[Actor]:
    return [
        Actor.objects.create(external_id=f"visitor-{number}", kind="visitor", merged_into=bob)
        for number in range(2)
    ]


def rows_of(sql: str) -> list:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql} FROM listings_actor actor ORDER BY actor.id")
        return [row for (row,) in cursor.fetchall()]


class TestPython:
    def test_a_member_comes_before_the_visitors_merged_into_them(self, bob, alice, visitors):
        assert identity.identities_of(bob)[0] == bob.pk
        assert set(identity.identities_of(bob)) == {bob.pk, *(visitor.pk for visitor in visitors)}
        assert identity.identities_of(alice) == [alice.pk]

    def test_any_identity_leads_to_all_identities_of_the_person(self, bob, alice, visitors):
        everything = {bob.pk, *(visitor.pk for visitor in visitors)}
        for actor in (bob, *visitors):
            assert set(identity.all_identities([actor.pk])) == everything
        assert set(identity.all_identities([visitors[0].pk, alice.pk])) == everything | {alice.pk}
        assert identity.all_identities([]) == []

    def test_a_merged_visitor_is_the_member(self, bob, alice, visitors):
        assert [identity.member_of(actor) for actor in (visitors[0], bob, alice)] == [bob, bob, alice]

    def test_a_visitors_key_belongs_to_the_member_and_to_nobody_else(self, bob, alice, visitors):
        assert identity.is_identity_of(bob.pk, bob)
        assert identity.is_identity_of(visitors[1].pk, bob)
        assert not identity.is_identity_of(visitors[1].pk, alice)
        assert not identity.is_identity_of(bob.pk, visitors[1])
        assert not identity.is_identity_of(bob.pk, None)


class TestQueries:
    def test_events_of_visitors_are_keyed_by_the_member(self, bob, alice, visitors):
        sofa = factories.listing(alice)
        factories.event(visitors[0], sofa)
        factories.event(bob, sofa)
        keys = Interaction.objects.values_list(identity.person_key("actor"), flat=True)
        assert list(keys) == [bob.pk, bob.pk]

    def test_identities_are_the_same_in_sql_as_in_python(self, bob, alice, visitors):
        actors = list(Actor.objects.order_by("pk"))
        assert rows_of(identity.PERSON_KEY) == [identity.member_of(actor).pk for actor in actors]
        assert [set(keys) for keys in rows_of(identity.PERSON_KEYS)] == [
            set(identity.all_identities([actor.pk])) for actor in actors
        ]
