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
    def test_a_slate_is_read_as_it_was_written(self, bob, sofas, now):
        written = draft([sofa.pk for sofa in sofas], bob)
        slate = store.find(store.write(written, now=now))
        np.testing.assert_array_equal(store.features_of(slate), written.features)
        np.testing.assert_array_equal(store.propensities_of(slate), written.propensities)
        assert store.features_of(slate).dtype == np.float32
        kept = ("surface", "actor", "listing_ids", "reasons", "seed", "versions", "parameters")
        assert all(getattr(slate, name) == getattr(written, name) for name in kept)
        assert (slate.feature_names, slate.created_at) == (list(NAMES), now)

    def test_a_slate_without_listings_or_without_features_is_stored(self, db, now):
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
    def test_a_slate_draft_with_arrays_of_different_shapes_is_refused(self, changed):
        with pytest.raises(ShapeError):
            draft([1, 2], **changed)

    def test_a_slate_of_more_than_two_hundred_listings_is_refused(self):
        draft(range(200))
        with pytest.raises(ShapeError):
            draft(range(201))

    def test_each_served_page_logs_an_impression(self, bobs_slate, now):
        store.log_impression(bobs_slate, offset=0, count=4, now=now)
        store.log_impression(bobs_slate, offset=4, count=2, now=now)
        assert list(Impression.objects.order_by("pk").values_list("offset", "count")) == [(0, 4), (4, 2)]


@pytest.mark.django_db(transaction=True)
class TestNotWaitingForTheDisk:
    @pytest.fixture
    def commit_modes(self):
        """The `synchronous_commit` of the connection as each slate is written."""
        commits = []

        def note(sender, **_):
            commits.append(synchronous_commit())

        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")  # the server of the tests waits for nothing
        post_save.connect(note, sender=Slate)
        yield commits
        post_save.disconnect(note, sender=Slate)
        connection.close()

    def test_writing_a_slate_does_not_wait_for_the_disk_and_later_commits_do(self, commit_modes, now):
        store.write(draft([1]), now=now)
        assert commit_modes == ["off"]
        assert synchronous_commit() == "on"

    def test_a_transaction_around_a_slate_still_waits_for_the_disk(self, commit_modes, now):
        with transaction.atomic():
            store.write(draft([1]), now=now)
            assert synchronous_commit() == "on"
        assert commit_modes == ["on"]

    def test_an_impression_of_a_missing_slate_is_an_error(self, now):
        with pytest.raises(IntegrityError):
            store.log_impression(uuid.uuid4().hex, offset=0, count=1, now=now)


def synchronous_commit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return cursor.fetchone()[0]


class TestCursors:
    def test_a_cursor_leads_to_its_slate_and_offset(self, bobs_slate, bob, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=now)
        slate, offset = store.read_cursor(cursor, actor=bob, now=now + timedelta(hours=23))
        assert (slate.pk.hex, offset) == (bobs_slate, 20)

    def test_a_cursor_needs_no_escaping_in_a_url(self, bobs_slate, bob, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=now)
        assert cursor.replace(".", "").replace("-", "").replace("_", "").isalnum()

    def refusal(self, cursor, actor, now) -> str:
        with pytest.raises(BadCursor) as refused:
            store.read_cursor(cursor, actor=actor, now=now)
        assert refused.value.field == "cursor"
        return refused.value.detail

    def test_a_cursor_of_another_actor_is_refused(self, bobs_slate, bob, charlie, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=now)
        assert "somebody else's" in self.refusal(cursor, charlie, now)
        assert "somebody else's" in self.refusal(cursor, None, now)

    def test_a_cursor_stays_valid_as_its_caller_becomes_a_visitor_and_logs_in(self, bobs_slate, bob, now):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor")
        as_nobody = store.cursor_after(bobs_slate, offset=20, actor=None, now=now)
        assert store.read_cursor(as_nobody, actor=visitor, now=now)[1] == 20
        as_visitor = store.cursor_after(bobs_slate, offset=40, actor=visitor, now=now)
        assert "somebody else's" in self.refusal(as_visitor, bob, now)
        visitor.merged_into = bob
        visitor.save()
        assert store.read_cursor(as_visitor, actor=bob, now=now)[1] == 40

    def test_a_cursor_expires_a_day_after_the_given_time(self, bobs_slate, bob, ago, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=ago(days=400))
        assert store.read_cursor(cursor, actor=bob, now=ago(days=399.01))
        assert "expired" in self.refusal(cursor, bob, ago(days=398.99))

    def test_an_edited_cursor_is_refused(self, bobs_slate, bob, now):
        cursor = store.cursor_after(bobs_slate, offset=20, actor=bob, now=now)
        for place in range(len(cursor)):
            other = "A" if cursor[place] != "A" else "B"
            edited = cursor[:place] + other + cursor[place + 1 :]
            # The last of 43 letters carries four bits: two letters may mean the same signature.
            if place < len(cursor) - 1:
                self.refusal(edited, bob, now)

    @pytest.mark.parametrize("garbage", ["", ".", "a.b", "\x00", "\ud800.x", "é.é", "x" * 10_000])
    def test_a_cursor_of_garbage_is_refused(self, db, bob, now, garbage):
        self.refusal(garbage, bob, now)

    def test_a_cursor_signed_for_another_purpose_is_refused(self, bobs_slate, bob, now):
        foreign = Signer(salt="another", sep=".").sign_object([bobs_slate, 0, bob.pk, int(now.timestamp())])
        self.refusal(foreign, bob, now)

    def test_a_cursor_of_a_deleted_slate_is_refused(self, bobs_slate, bob, now):
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

    def test_old_slates_are_pruned_with_their_impressions_in_batches(self, written, monkeypatch, capsys):
        monkeypatch.setattr(store, "PRUNED_AT_ONCE", 2)
        call_command("prune_slates")
        assert "5 slates" in capsys.readouterr().out
        assert [slate.pk.hex for slate in Slate.objects.all()] == [written]
        assert not Impression.objects.exists()
        call_command("prune_slates")
        assert "0 slates" in capsys.readouterr().out

    def test_anonymous_slates_are_pruned_after_a_month(self, bob, ago):
        for actor in (bob, None):
            for days in (30, 32):
                store.write(draft([days], actor), now=ago(days=days))
        call_command("prune_slates")
        assert set(Slate.objects.values_list("actor", "listing_ids__0")) == {
            (bob.pk, 30),
            (bob.pk, 32),
            (None, 30),
        }

    def test_pruning_slates_reports_its_progress(self, written, monkeypatch, now):
        monkeypatch.setattr(store, "PRUNED_AT_ONCE", 2)
        reported = []
        store.prune(kept=timedelta(days=90), now=now, progress=lambda *counts: reported.append(counts))
        assert reported == [(2, 5), (4, 5), (5, 5)]

    def test_slates_are_kept_for_the_given_number_of_days(self, written):
        call_command("prune_slates", "--days", "101")
        assert Slate.objects.count() == 6

    @pytest.mark.parametrize("days", ["0", "-1", "1.5", "all", "99999999"])
    def test_pruning_slates_refuses_invalid_numbers_of_days(self, db, days):
        with pytest.raises(CommandError, match="whole days"):
            call_command("prune_slates", f"--days={days}")

    def test_the_nightly_task_keeps_slates_for_the_days_of_the_setting(self, written, settings):
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

    def test_an_audited_slate_shows_listings_in_order_with_reasons_and_features(
        self, bobs_slate, sofas, model, now, capsys
    ):
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

    def test_an_audited_slate_names_each_input_that_is_gone(self, bobs_slate, sofas, model, settings, capsys):
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
    def test_auditing_an_unknown_slate_fails_with_one_line(self, db, slate):
        with pytest.raises(CommandError, match="There is no slate") as error:
            call_command("explain_slate", slate)
        assert "\n" not in str(error.value)


class TestInTheAdmin:
    def test_staff_see_the_order_of_a_slate_and_cannot_change_it(self, admin_client, bobs_slate, sofas):
        address = f"/admin/recommendations/slate/{store.find(bobs_slate).pk}/change/"
        page = admin_client.get(address).content.decode()
        titles = [page.index(sofa.title) for sofa in sofas]
        assert titles == sorted(titles)
        assert "exploring" in page
        assert admin_client.get("/admin/recommendations/slate/add/").status_code == 403
        assert admin_client.post(address, {"surface": "search"}).status_code == 403

    def test_the_list_of_slates_is_filtered_by_surface(self, admin_client, bobs_slate):
        assert b"1 slate" in admin_client.get("/admin/recommendations/slate/?surface__exact=feed").content
        assert b"0 slates" in admin_client.get("/admin/recommendations/slate/?surface__exact=search").content

    def test_the_page_of_an_invalid_slate_id_redirects(self, admin_client, db):
        assert admin_client.get("/admin/recommendations/slate/no-uuid/change/").status_code == 302


class TestSlatesThatEventsName:
    @pytest.mark.parametrize("slate", ["s-1", "0" * 64, "null", "DROP TABLE", "é"])
    def test_an_event_may_name_any_text_as_its_slate(self, as_bob, bob, sofas, slate, admin_client):
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
    def test_user_agents_of_crawlers_are_recognised(self, user_agent):
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
    def test_user_agents_of_people_and_http_libraries_are_no_crawlers(self, user_agent):
        assert not is_crawler(user_agent)
