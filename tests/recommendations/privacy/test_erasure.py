"""Export and erasure of a person's data."""

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import models

from listings.models import Actor, Listing
from marketplace.models import PersonToken
from recommendations.models.doubts import Doubt
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.events import Interaction
from recommendations.models.slates import Exposure, ReaderPosition, Slate
from recommendations.popularity import impression_counts, trending
from recommendations.privacy import erasure
from recommendations.privacy.erasure import ACCOUNT_RULES, ACTOR_RULES, LISTING_RULES, Rule
from recommendations.replica import follower, generations
from tests import factories
from tests.recommendations.privacy.traces import SECRET_WORDS, erase

pytestmark = pytest.mark.django_db(transaction=True)


def relations_to(model: type[models.Model]) -> set[str]:
    """Every foreign key of any model to this one, hidden ones included."""
    fields = model._meta.get_fields(include_hidden=True)
    columns = {field.remote_field for field in fields if field.auto_created and not field.concrete}
    return {f"{column.model._meta.label}.{column.name}" for column in columns if not column.many_to_many}


class TestRules:
    @pytest.mark.parametrize(
        ("model", "rules"), [(Actor, ACTOR_RULES), (User, ACCOUNT_RULES), (Listing, LISTING_RULES)]
    )
    def test_every_relation_to_a_person_or_their_listings_has_an_erasure_rule(self, model, rules):
        assert relations_to(model) == set(rules)

    def test_a_new_table_that_refers_to_actors_lacks_an_erasure_rule(self):
        class Diary(models.Model):
            whose = models.ForeignKey(Actor, models.CASCADE, related_name="+")

            class Meta:
                app_label = "recommendations"

            def __str__(self) -> str:
                return "secret"

        try:
            apps.clear_cache()
            assert relations_to(Actor) - set(ACTOR_RULES) == {"recommendations.Diary.whose"}
        finally:
            del apps.all_models["recommendations"]["diary"]
            apps.clear_cache()

    def test_the_account_rules_delete_exactly_what_cascades_with_the_account(self):
        for name, rule in ACCOUNT_RULES.items():
            model, field = erasure.field_of(name)
            assert (rule == Rule.DELETE) == (
                model._meta.get_field(field).remote_field.on_delete is models.CASCADE
            )


class TestErasing:
    def test_after_an_erasure_no_row_refers_to_the_person(self, life, alice, visitor):
        gone = {alice.pk, visitor.pk}
        erase()
        for name in ACTOR_RULES:
            model, field = erasure.field_of(name)
            assert not model._base_manager.filter(**{f"{field}__in": gone}).exists(), name
        assert not Actor.objects.filter(pk__in=gone).exists()
        for name in (name for name, rule in LISTING_RULES.items() if rule == Rule.DELETE):
            model, field = erasure.field_of(name)
            assert not model._base_manager.filter(**{f"{field}__in": [life["hers"], life["sold"]]}).exists()
        assert not User.objects.filter(username="alice").exists()
        assert not PersonToken.objects.exists()
        assert not Session.objects.exists()

    def test_erased_listings_leave_the_market_and_others_keep_their_purchases_and_events(
        self, life, bob, settings
    ):
        assert list(settings.MEDIA_ROOT.rglob("*.jpg"))
        erase()
        hers, sold, bought = (Listing.objects.get(pk=life[name].pk) for name in ("hers", "sold", "bought"))
        assert (hers.status, sold.status, sold.buyer) == ("withdrawn", "sold", bob)
        assert hers.title == sold.title == erasure.ERASED_TITLE
        assert hers.latitude is hers.place is None
        assert not list(settings.MEDIA_ROOT.rglob("*.jpg"))
        assert (bought.status, bought.buyer) == ("sold", None)
        assert Interaction.objects.filter(actor=bob, listing=hers).exists()
        assert Interaction.objects.count() == 2  # Charlie's, too

    def test_an_erasure_leaves_rows_of_others_as_they_are(self, life, bob, follow):
        kept = Slate.objects.filter(actor=bob).count()
        vector = bytes(ListingEmbedding.objects.get(listing=life["his"]).vector)
        erase()
        assert Slate.objects.filter(actor=bob).count() == kept
        assert Listing.objects.get(pk=life["his"].pk).title == "Table of Bob"
        assert bytes(ListingEmbedding.objects.get(listing=life["his"]).vector) == vector
        assert User.objects.filter(username="bob").exists()

    def test_erasing_a_merged_visitor_erases_the_member(self, life, visitor):
        erase(visitor.external_id)
        assert not Actor.objects.filter(external_id="alice").exists()

    def test_an_actor_with_events_alone_is_deleted_entirely(self, life):
        factories.event(factories.actor("dora"), life["his"])
        before = Actor.objects.count()
        erase("dora")
        assert Actor.objects.count() == before - 1


def hottest() -> dict[int, float]:
    """Trending scores by listing id."""
    ids, scores = trending.top()
    return dict(zip(ids.tolist(), scores.tolist(), strict=True))


class TestDerivedState:
    def test_trending_after_an_erasure_is_what_it_would_be_without_the_person(self, life, now):
        Doubt.objects.all().delete()  # or her events would count for nothing
        trending.roll_up(now=now)
        mixed = hottest()
        assert mixed[life["his"].pk] > mixed[life["hers"].pk]  # hers too
        assert life["bought"].pk in mixed
        erase()
        left = hottest()
        assert life["bought"].pk not in left  # she alone
        assert left[life["his"].pk] == pytest.approx(left[life["hers"].pk])

    def test_exposure_after_an_erasure_counts_only_what_others_were_shown(self, life, now):
        def shown() -> dict[int, tuple[int, int]]:
            return {row.listing_id: (row.impressions, row.clicks) for row in Exposure.objects.all()}

        Doubt.objects.all().delete()  # or nothing that she was shown would count
        ReaderPosition.objects.all().delete()
        impression_counts.roll_up(now=now)
        assert shown()[life["his"].pk] == (2, 1)
        erase()
        assert shown()[life["his"].pk] == (1, 0)

    def test_no_generation_of_the_index_holds_erased_listings(self, life, alice, follow):
        def kept() -> list:
            version = follower.snapshot().encoder_version
            folders = generations._folders(version)
            return [generations._open(folder).columns.attributes for folder in folders]

        assert any(life["hers"].pk in attributes["listing_id"] for attributes in kept())
        erase()
        assert len(kept()) == generations.KEPT_GENERATIONS
        for attributes in kept():
            assert life["hers"].pk not in attributes["listing_id"]
            assert alice.pk not in attributes["seller_id"]
        follow()
        assert life["hers"].pk not in follower.snapshot().attributes["listing_id"][follower.snapshot().alive]

    def test_an_erased_listing_that_waits_for_its_embedding_is_not_embedded(self, life, alice, follow):
        late = factories.listing(alice, SECRET_WORDS)
        erase()
        follow()
        assert not ListingEmbedding.objects.filter(listing=late).exists()


class TestRefusals:
    def test_erasing_an_unknown_actor_is_refused(self, db):
        with pytest.raises(CommandError, match="no actor 'nobody'"):
            erase("nobody")

    def test_erasing_staff_is_refused(self, alice):
        User.objects.update(is_staff=True)
        with pytest.raises(CommandError, match="staff"):
            erase()
        assert Actor.objects.filter(pk=alice.pk).exists()

    def test_without_redis_nothing_is_erased(self, life, alice, settings, monkeypatch):
        settings.REDIS_URL = "redis://127.0.0.1:1"
        with pytest.raises(CommandError, match="Redis"):
            erase()
        assert Actor.objects.filter(pk=alice.pk).exists()
        monkeypatch.undo()

    def test_erasing_without_a_confirmation_erases_nothing(self, alice, monkeypatch):
        monkeypatch.setattr("builtins.input", lambda question: "no")
        with pytest.raises(CommandError, match="Nothing was erased"):
            call_command("erase_actor", "alice")
