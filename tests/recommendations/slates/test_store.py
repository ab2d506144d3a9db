import uuid

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.signals import post_save

from ml.arrays import ShapeError
from recommendations.models.events import Interaction
from recommendations.models.slates import Impression, Slate
from recommendations.slates import store
from tests.recommendations.slates.drafts import NAMES, draft


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
class TestAsynchronousCommit:
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


class TestSlatesThatEventsName:
    @pytest.mark.parametrize("slate", ["s-1", "0" * 64, "null", "DROP TABLE", "é"])
    def test_an_event_may_name_any_text_as_its_slate(self, as_bob, bob, sofas, slate, admin_client):
        body = {"event_id": "1", "listing": sofas[0].external_id, "kind": "view", "slate": slate}
        assert as_bob.post("/api/v1/interactions/", body).json()["results"][0]["outcome"] == "accepted"
        assert Interaction.objects.get().slate == slate
        assert store.find(slate) is None
        assert admin_client.get("/admin/recommendations/interaction/").status_code == 200
