import uuid

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction

from ml.arrays import ShapeError
from recommendations.models.slates import Impression
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
        """commit_modes(): `synchronous_commit` as each slate was written, noted by a trigger."""
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")  # the server of the tests waits for nothing
            cursor.execute(NOTE_MODES)
        yield lambda: query("SELECT mode FROM commit_mode")
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER note_mode ON recommendations_slate")
        connection.close()

    def test_writing_a_slate_does_not_wait_for_the_disk_and_later_commits_do(self, commit_modes, now):
        store.write(draft([1]), now=now)
        assert commit_modes() == ["off"]
        assert query("SHOW synchronous_commit") == ["on"]

    def test_a_transaction_around_a_slate_still_waits_for_the_disk(self, commit_modes, now):
        with transaction.atomic():
            store.write(draft([1]), now=now)
            assert query("SHOW synchronous_commit") == ["on"]
        assert commit_modes() == ["on"]

    def test_an_impression_of_a_missing_slate_is_an_error(self, now):
        with pytest.raises(IntegrityError):
            store.log_impression(uuid.uuid4().hex, offset=0, count=1, now=now)


NOTE_MODES = """
    CREATE TEMP TABLE commit_mode (mode text);
    CREATE FUNCTION pg_temp.note_mode() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO commit_mode VALUES (current_setting('synchronous_commit'));
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_mode AFTER INSERT ON recommendations_slate
        FOR EACH ROW EXECUTE FUNCTION pg_temp.note_mode();
"""


def query(statement: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [value for (value,) in cursor.fetchall()]
