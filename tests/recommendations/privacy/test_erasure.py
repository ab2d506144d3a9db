"""Export and erasure of a person's data."""

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext

from listings import services
from listings.models import Actor, Listing, PhotoSource
from marketplace.models import PersonToken, StaffAccess
from recommendations.indexing import compaction
from recommendations.models.boosts import Boost, BoostChange
from recommendations.models.doubts import Doubt
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.events import Interaction, ParkedInteraction
from recommendations.models.slates import Exposure, ReaderPosition, Slate
from recommendations.popularity import impression_counts, trending
from recommendations.privacy import erasure, export, redaction
from recommendations.privacy.erasure import ACCOUNT_RULES, ACTOR_RULES, LISTING_RULES, Rule
from recommendations.ranking import boosts
from recommendations.replica import follower, generations
from tests import factories
from tests.recommendations.offered import clicked, served

pytestmark = pytest.mark.django_db(transaction=True)
SECRET_WORDS = "Grandmother's rocking chair from Elm Street 7"


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

    def test_every_column_that_names_staff_is_redacted(self):
        signed = {
            f"{model._meta.label}.{field.name}"
            for model in apps.get_models()
            for field in model._meta.concrete_fields
            if field.name == "by" or field.name.endswith("_by")
        }
        assert signed == set(redaction.STAFF_NAME_COLUMNS)

    def test_the_account_rules_delete_exactly_what_cascades_with_the_account(self):
        for name, rule in ACCOUNT_RULES.items():
            model, field = erasure.field_of(name)
            assert (rule == Rule.DELETE) == (
                model._meta.get_field(field).remote_field.on_delete is models.CASCADE
            )


@pytest.fixture
def visitor(alice):
    """The visitor that Alice was before she logged in."""
    return Actor.objects.create(
        external_id=Actor.new_visitor_id(), kind=Actor.Kind.VISITOR, merged_into=alice
    )


@pytest.fixture
def life(alice, bob, charlie, visitor, follow, now):
    """Rows of every kind about Alice, and rows about Bob that involve her."""
    hers = factories.listing(
        alice, SECRET_WORDS, description="Ring Alice at noon", latitude=51.5, longitude=-0.1
    )
    factories.photo(hers)
    url = "https://photos.example/alice/chair.jpg"
    PhotoSource.objects.create(listing=hers, external_id="named", url=url, try_after=now)
    sold = factories.listing(alice, "Lamp of Alice")
    his = factories.listing(bob, "Table of Bob")
    bought = factories.listing(bob, "Vase of Bob")
    services.mark_sold(listing=sold, buyer=bob, now=now)
    services.mark_sold(listing=bought, buyer=alice, now=now)
    follow()
    compaction.compact(least_changes=0)
    for actor, listing in ((alice, his), (visitor, bought), (bob, hers), (charlie, his)):
        factories.event(actor, listing, "favourite")
    clicked(alice, his, served(alice, [his], now), now)
    served(bob, [his, hers], now)
    ParkedInteraction.objects.create(
        source="tests",
        event_id="parked",
        actor=alice,
        listing_external_id="later",
        kind="view",
        occurred_at=now,
    )
    Doubt.objects.create(actor=alice, reason=Doubt.Reason.LIKENESS, share=0.5, evidence="a circle")
    boost = Boost(seller=alice, factor=2, starts_at=now, ends_at=now + timedelta(days=1))
    boosts.save_boost(boost, by="staff", now=now)
    StaffAccess.objects.create(by="staff", whose=alice, what="feed")
    PersonToken.objects.create(alice.user)
    Client().login(username="alice", password=factories.PASSWORD)
    staff = User.objects.create_user("staff", is_staff=True)
    note(staff, alice, hers, boost, his)
    she_was_staff(alice, bob, his, now)
    staff_looked_after(alice, hers, sold, staff, now)
    for parameters in ({"listing": hers.external_id}, {"positive": [his.external_id, hers.external_id]}):
        slate = served(bob, [bought], now - timedelta(days=1))
        Slate.objects.filter(pk=slate).update(parameters={"limit": 20, "negative": [], **parameters})
    trending.roll_up(now=now)
    impression_counts.roll_up(now=now)
    return {"hers": hers, "sold": sold, "his": his, "bought": bought}


def she_was_staff(alice, bob, his, now) -> None:
    """Rows about others that Alice signed when she was staff."""
    StaffAccess.objects.create(by="alice", whose=bob, what="search")
    Doubt.objects.create(actor=bob, reason=Doubt.Reason.HASTE, share=0, evidence="", decided_by="alice")
    boost = Boost(listing=his, factor=2, starts_at=now, ends_at=now + timedelta(days=1))
    boosts.save_boost(boost, by="alice", now=now)
    note(User.objects.create_user("chief", is_staff=True), boost, BoostChange.objects.get(by="alice"))


def staff_looked_after(alice, hers, sold, staff, now) -> None:
    """A boost of Alice's listing, and deleted rows: a boost under an earlier title, a token and a doubt."""
    boost = Boost(listing=hers, factor=3, starts_at=now, ends_at=now + timedelta(days=1))
    boosts.save_boost(boost, by="staff", now=now)
    over = Boost(listing=sold, factor=3, starts_at=now, ends_at=now + timedelta(days=1))
    boosts.save_boost(over, by="staff", now=now)
    token, _ = PersonToken.objects.create(alice.user)
    note(staff, boost, over, token, Doubt.objects.get(actor=alice), StaffAccess.objects.get(whose=alice))
    LogEntry.objects.filter(object_repr=str(over)).update(object_repr="3 × listing The best of Alices lamps")
    boosts.delete_boost(over, by="staff", now=now)
    token.delete()


def note(staff: User, *changed: models.Model) -> None:
    """An entry of the admin's log about a change."""
    for about in changed:
        LogEntry.objects.create(
            user=staff,
            content_type=ContentType.objects.get_for_model(about),
            object_id=str(about.pk),
            object_repr=str(about),
            action_flag=CHANGE,
        )


def erase(name: str = "alice") -> None:
    call_command("erase_actor", name, "--yes", stdout=open("/dev/null", "w"))  # noqa: PTH123, SIM115


def everything() -> str:
    """Every row of every table, as text."""
    texts = []
    for model in apps.get_models():
        for row in model._base_manager.values():
            texts.append(f"{model._meta.label} {row}")
    return "\n".join(texts)


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

    def test_after_an_erasure_no_text_names_the_person_or_holds_what_they_wrote(self, life, alice, visitor):
        words = ["alice", "Alice", "Grandmother", "Elm Street", visitor.external_id, life["hers"].external_id]
        before = everything()
        assert all(word in before for word in words)
        erase()
        left = everything()
        assert [word for word in words if word in left] == []

    def test_rows_about_others_stay_and_name_an_anonymous_author(self, life, bob):
        twin = factories.listing(bob, life["hers"].title)
        note(User.objects.get(username="chief"), twin)
        erase()
        signed = StaffAccess.objects.get(whose=bob).by
        assert signed.startswith("erased-")
        kept = Boost.objects.get(listing=life["his"])
        change, doubt = BoostChange.objects.get(boost_id=kept.pk), Doubt.objects.get(actor=bob)
        assert {kept.created_by, change.by, doubt.decided_by} == {signed}
        names = LogEntry.objects.values_list("object_repr", flat=True)
        assert sorted(names) == ["2 × listing Table of Bob", twin.title, "Table of Bob"]
        positive = Slate.objects.get(actor=bob, parameters__has_key="positive").parameters["positive"]
        assert positive == [life["his"].external_id]

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


class TestHandingOut:
    def rows(self, folder, name: str = "alice") -> list[dict]:
        file = folder / "exported.jsonl"
        with open("/dev/null", "w") as silence:  # noqa: PTH123
            call_command("export_actor", name, "--output", str(file), stdout=silence)
        assert file.stat().st_mode & 0o077 == 0
        return [json.loads(line) for line in file.read_text().splitlines()]

    def test_an_export_holds_rows_of_every_table_about_the_person(self, life, tmp_path):
        tables = {row["table"] for row in self.rows(tmp_path)}
        knowing = {name.rpartition(".")[0] for name in ACTOR_RULES} | {"marketplace.PersonToken", "auth.User"}
        assert knowing | {"listings.Photo", "listings.PhotoSource", "recommendations.Impression"} <= tables

    def test_an_export_names_actors_and_listings_by_external_id(self, life, visitor, tmp_path):
        rows = self.rows(tmp_path)
        events = [row for row in rows if row["table"] == "recommendations.Interaction"]
        assert {row["actor"] for row in events} == {"alice", visitor.external_id}
        assert {row["listing"] for row in events} == {life["his"].external_id, life["bought"].external_id}
        slate = next(row for row in rows if row["table"] == "recommendations.Slate")
        assert slate["listing_ids"] == [life["his"].external_id]

    def test_an_export_of_many_slates_takes_no_more_queries_than_of_one(
        self, alice, now, django_assert_max_num_queries
    ):
        def slate_listings() -> list[list[str]]:
            rows = export.export(erasure.find_person("alice"))
            return [row["listing_ids"] for row in rows if row["table"] == "recommendations.Slate"]

        listing = factories.listing(alice, external_id="sofa")
        served(alice, [listing], now)
        with CaptureQueriesContext(connection) as of_one:
            assert slate_listings() == [["sofa"]]
        for _ in range(20):
            served(alice, [listing], now)
        with django_assert_max_num_queries(len(of_one)):
            assert slate_listings() == [["sofa"]] * 21

    def test_an_export_holds_no_rows_of_others_and_no_secrets(self, life, tmp_path):
        text = json.dumps(self.rows(tmp_path))
        assert '"actor": "bob"' not in text
        assert not {"password", "digest"} & {name for row in json.loads(text) for name in row}

    def test_an_export_does_not_overwrite_a_file(self, alice, tmp_path):
        (tmp_path / "exported.jsonl").write_text("mine")
        with pytest.raises(CommandError, match="cannot be written"):
            self.rows(tmp_path)
        assert (tmp_path / "exported.jsonl").read_text() == "mine"
