import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.core.signing import Signer
from django.db import IntegrityError, connection, transaction
from django.db.models.signals import post_save

from listings.models import Actor, Listing
from ml.arrays import ShapeError
from recommendations.api.tracking import is_crawler
from recommendations.models.events import Interaction
from recommendations.models.slates import Impression, Slate
from recommendations.models.trained_models import TrainedModel
from recommendations.slates import store
from recommendations.slates.store import BadCursor, SlateDraft
from recommendations.tasks import prune_slates

NAMES = ("content", "distance_km")


def draft(listing_ids, actor=None, **changed) -> SlateDraft:
    """Of listings with two features each, the second unknown for the first of them."""
    length = len(listing_ids)
    features = np.arange(2 * length, dtype=np.float32).reshape(length, 2)
    features[:1, 1] = np.nan
    defaults = {
        "surface": "feed",
        "actor": actor,
        "listing_ids": list(listing_ids),
        "feature_names": NAMES,
        "features": features,
        "propensities": np.linspace(1, 0.5, length, dtype=np.float32),
        "reasons": ["exploring"] * length,
        "seed": 2**40,
        "versions": {"encoder": "e-1", "ranker": None, "index": "g-7"},
        "parameters": {"limit": 20},
    }
    return SlateDraft(**(defaults | changed))


@pytest.fixture
def bobs_slate(bob, sofas, now) -> str:
    return store.write(draft([sofa.pk for sofa in sofas], bob), now=now)


class TestWriting:
    def test_what_was_written_is_what_is_read(self, bob, sofas, now):
        written = draft([sofa.pk for sofa in sofas], bob)
        slate = store.find(store.write(written, now=now))
        np.testing.assert_array_equal(store.features_of(slate), written.features)
        np.testing.assert_array_equal(store.propensities_of(slate), written.propensities)
        assert store.features_of(slate).dtype == np.float32
        kept = ("surface", "actor", "listing_ids", "reasons", "seed", "versions", "parameters")
        assert all(getattr(slate, name) == getattr(written, name) for name in kept)
        assert (slate.feature_names, slate.created_at) == (list(NAMES), now)

    def test_an_empty_slate_and_one_without_features(self, db, now):
        nothing = store.find(store.write(draft([]), now=now))
        assert store.features_of(nothing).shape == (0, 2)
        assert store.propensities_of(nothing).shape == (0,)
        bare = draft([1, 2], feature_names=(), features=np.empty((2, 0), np.float32))
        assert store.features_of(store.find(store.write(bare, now=now))).shape == (2, 0)

    @pytest.mark.parametrize(
        "changed",
        [
            {"features": np.zeros((1, 2), np.float32)},
            {"features": np.zeros((2, 2))},
            {"propensities": np.ones(3, np.float32)},
            {"reasons": ["exploring"]},
        ],
    )
    def test_what_does_not_fit_together_is_refused(self, changed):
        with pytest.raises(ShapeError):
            draft([1, 2], **changed)

    def test_more_than_two_hundred_listings_are_refused(self):
        draft(range(200))
        with pytest.raises(ShapeError):
            draft(range(201))

    def test_each_page_that_was_served_is_noted(self, bobs_slate, now):
        store.log_impression(bobs_slate, offset=0, count=4, now=now)
        store.log_impression(bobs_slate, offset=4, count=2, now=now)
        assert list(Impression.objects.order_by("pk").values_list("offset", "count")) == [(0, 4), (4, 2)]


@pytest.mark.django_db(transaction=True)
class TestNotWaitingForTheDisk:
    @pytest.fixture
    def says(self):
        """What PostgreSQL says of the commit, just as the slate is written."""
        commits = []

        def note(sender, **_):
            commits.append(synchronous_commit())

        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")  # the server of the tests waits for nothing
        post_save.connect(note, sender=Slate)
        yield commits
        post_save.disconnect(note, sender=Slate)
        connection.close()

    def test_a_slate_does_not_and_what_comes_after_it_does(self, says, now):
        store.write(draft([1]), now=now)
        assert says == ["off"]
        assert synchronous_commit() == "on"

    def test_a_transaction_around_it_still_waits(self, says, now):
        with transaction.atomic():
            store.write(draft([1]), now=now)
            assert synchronous_commit() == "on"
        assert says == ["on"]

    def test_a_page_of_a_slate_that_is_gone_is_an_error(self, now):
        with pytest.raises(IntegrityError):
            store.log_impression(uuid.uuid4().hex, offset=0, count=1, now=now)


def synchronous_commit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return cursor.fetchone()[0]


class TestCursors:
    def test_it_leads_on_where_it_was_given_out(self, bobs_slate, bob, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=now)
        slate, offset = store.read_cursor(cursor, actor=bob, now=now + timedelta(hours=23))
        assert (slate.pk.hex, offset) == (bobs_slate, 20)

    def test_it_stands_in_an_address_as_it_is(self, bobs_slate, bob, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=now)
        assert cursor.replace(".", "").replace("-", "").replace("_", "").isalnum()

    def refusal(self, cursor, actor, now) -> str:
        with pytest.raises(BadCursor) as refused:
            store.read_cursor(cursor, actor=actor, now=now)
        assert refused.value.field == "cursor"
        return refused.value.detail

    def test_charlie_cannot_use_bobs(self, bobs_slate, bob, charlie, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=now)
        assert "somebody else's" in self.refusal(cursor, charlie, now)
        assert "somebody else's" in self.refusal(cursor, None, now)

    def test_a_visitor_goes_on_as_they_become_an_actor_and_log_in(self, bobs_slate, bob, now):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor")
        as_nobody = store.cursor_after(bobs_slate, offset=20, actor=None, now=now)
        assert store.read_cursor(as_nobody, actor=visitor, now=now)[1] == 20
        as_visitor = store.cursor_after(bobs_slate, offset=40, actor=visitor, now=now)
        assert "somebody else's" in self.refusal(as_visitor, bob, now)
        visitor.merged_into = bob
        visitor.save()
        assert store.read_cursor(as_visitor, actor=bob, now=now)[1] == 40

    def test_it_expires_after_a_day_of_the_time_that_is_passed_in(self, bobs_slate, bob, ago, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=ago(days=400))
        assert store.read_cursor(cursor, actor=bob, now=ago(days=399.01))
        assert "expired" in self.refusal(cursor, bob, ago(days=398.99))

    def test_edited_ones_are_refused(self, bobs_slate, bob, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=now)
        for place in range(len(cursor)):
            other = "A" if cursor[place] != "A" else "B"
            edited = cursor[:place] + other + cursor[place + 1 :]
            # The last of 43 letters carries four bits: two letters may mean the same signature.
            if place < len(cursor) - 1:
                self.refusal(edited, bob, now)

    @pytest.mark.parametrize("garbage", ["", ".", "a.b", "\x00", "\ud800.x", "é.é", "x" * 10_000])
    def test_garbage_is_refused(self, db, bob, now, garbage):
        self.refusal(garbage, bob, now)

    def test_what_was_signed_for_another_purpose_is_refused(self, bobs_slate, bob, now):
        foreign = Signer(salt="another", sep=".").sign_object([bobs_slate, 0, bob.pk, int(now.timestamp())])
        self.refusal(foreign, bob, now)

    def test_one_of_a_slate_that_was_deleted_is_refused(self, bobs_slate, bob, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=now)
        store.prune(kept=timedelta(0), now=now + timedelta(seconds=1))
        assert "gone" in self.refusal(cursor, bob, now)


class TestPruning:
    @pytest.fixture
    def written(self, bob, ago):
        """Five of a hundred days ago, each served, and one of today."""
        for number in range(5):
            old = store.write(draft([1, 2], bob), now=ago(days=100, hours=number))
            store.log_impression(old, offset=0, count=2, now=ago(days=100, hours=number))
        return store.write(draft([1, 2], bob), now=ago(hours=1))

    def test_old_ones_go_with_their_impressions_in_batches(self, written, monkeypatch, capsys):
        monkeypatch.setattr(store, "PRUNED_AT_ONCE", 2)
        call_command("prune_slates")
        assert "5 slates" in capsys.readouterr().out
        assert [slate.pk.hex for slate in Slate.objects.all()] == [written]
        assert not Impression.objects.exists()
        call_command("prune_slates")
        assert "0 slates" in capsys.readouterr().out

    def test_those_of_nobody_known_go_after_a_month(self, bob, ago):
        for actor in (bob, None):
            for days in (30, 32):
                store.write(draft([days], actor), now=ago(days=days))
        call_command("prune_slates")
        assert set(Slate.objects.values_list("actor", "listing_ids__0")) == {
            (bob.pk, 30),
            (bob.pk, 32),
            (None, 30),
        }

    def test_it_tells_how_far_it_is(self, written, monkeypatch, now):
        monkeypatch.setattr(store, "PRUNED_AT_ONCE", 2)
        reported = []
        store.prune(kept=timedelta(days=90), now=now, progress=lambda *counts: reported.append(counts))
        assert reported == [(2, 5), (4, 5), (5, 5)]

    def test_as_many_days_as_one_says_are_kept(self, written):
        call_command("prune_slates", "--days", "101")
        assert Slate.objects.count() == 6

    @pytest.mark.parametrize("days", ["0", "-1", "1.5", "all", "99999999"])
    def test_other_numbers_of_days_are_refused(self, db, days):
        with pytest.raises(CommandError, match="whole days"):
            call_command("prune_slates", f"--days={days}")

    def test_the_nightly_task_keeps_what_the_setting_says(self, written, settings):
        assert prune_slates() == 5
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"slate_days": 1000})
        assert prune_slates() == 0


class TestExplaining:
    def explained(self, slate: str, capsys) -> str:
        call_command("explain_slate", slate)
        return capsys.readouterr().out

    @pytest.fixture
    def model(self, settings) -> TrainedModel:
        path = settings.MODEL_ROOT / "encoder" / "e-1"
        path.mkdir(parents=True)
        return TrainedModel.objects.create(kind="encoder", version="e-1", path="encoder/e-1")

    def test_listings_stand_in_order_with_why(self, bobs_slate, sofas, model, now, capsys):
        store.log_impression(bobs_slate, offset=0, count=4, now=now)
        account = self.explained(bobs_slate, capsys)
        titles = [account.index(sofa.title) for sofa in sofas]
        assert titles == sorted(titles)
        first = next(line for line in account.splitlines() if sofas[0].title in line)
        assert "exploring" in first
        assert "content 0" in first
        assert "distance_km" not in first
        last = next(line for line in account.splitlines() if sofas[5].title in line)
        assert "0.5" in last
        assert "distance_km 11" in last
        assert all(part in account for part in ("feed for bob", "encoder e-1", "limit 20", "served: 1-4"))
        assert "is still there" in account

    def test_each_input_that_is_gone_is_named(self, bobs_slate, sofas, model, settings, capsys):
        (settings.MODEL_ROOT / model.path).rmdir()
        Listing.objects.filter(pk=sofas[2].pk).delete()
        Slate.objects.update(features=b"1234", propensities=b"12", reasons=[])
        account = " ".join(self.explained(bobs_slate, capsys).split())
        assert f"Deleted since: listings {sofas[2].pk}." in account
        assert "The files of encoder e-1 are not on disk any more." in account
        for missing in ("features are missing", "propensities are missing", "Reasons are missing"):
            assert missing in account
        model.delete()
        assert "No model encoder e-1 is registered" in self.explained(bobs_slate, capsys)

    @pytest.mark.parametrize("slate", ["no-uuid", "", "\x00", "0" * 32])
    def test_a_slate_that_is_not_there_is_told_in_one_line(self, db, slate):
        with pytest.raises(CommandError, match="There is no slate") as error:
            call_command("explain_slate", slate)
        assert "\n" not in str(error.value)


class TestInTheAdmin:
    def test_staff_see_the_order_and_change_nothing(self, admin_client, bobs_slate, sofas):
        address = f"/admin/recommendations/slate/{store.find(bobs_slate).pk}/change/"
        page = admin_client.get(address).content.decode()
        titles = [page.index(sofa.title) for sofa in sofas]
        assert titles == sorted(titles)
        assert "exploring" in page
        assert admin_client.get("/admin/recommendations/slate/add/").status_code == 403
        assert admin_client.post(address, {"surface": "search"}).status_code == 403

    def test_the_list_is_filtered_by_surface(self, admin_client, bobs_slate):
        assert b"1 slate" in admin_client.get("/admin/recommendations/slate/?surface__exact=feed").content
        assert b"0 slates" in admin_client.get("/admin/recommendations/slate/?surface__exact=search").content

    def test_an_id_that_is_none_leads_back(self, admin_client, db):
        assert admin_client.get("/admin/recommendations/slate/no-uuid/change/").status_code == 302


class TestSlatesThatEventsName:
    @pytest.mark.parametrize("slate", ["s-1", "0" * 64, "null", "DROP TABLE", "é"])
    def test_any_text_is_kept_and_breaks_nothing(self, as_bob, bob, sofas, slate, admin_client):
        body = {"event_id": "1", "listing": sofas[0].external_id, "kind": "view", "slate": slate}
        assert as_bob.post("/api/v1/interactions/", body).json()["results"][0]["outcome"] == "accepted"
        assert Interaction.objects.get().slate == slate
        assert store.find(slate) is None
        assert admin_client.get("/admin/recommendations/interaction/").status_code == 200


class TestCrawlers:
    @pytest.mark.parametrize(
        "user_agent",
        [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Safari/537.36",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
            "GPTBot/1.1",
            "our-own-crawler/1.0",
            "Scrapy/2.11 (+https://scrapy.org)",
            "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
        ],
    )
    def test_who_says_so_is_one(self, user_agent):
        assert is_crawler(user_agent)

    @pytest.mark.parametrize(
        "user_agent",
        [
            "",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile Safari/604.1",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 Chrome/83.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT) AppleWebKit/537.36 Chrome/83.0 Mobile Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "shop-app/3.1 okhttp/4.9.0",
            "python-requests/2.31.0",
            "x" * 100_000,
        ],
    )
    def test_people_and_the_shops_own_programs_are_none(self, user_agent):
        assert not is_crawler(user_agent)
