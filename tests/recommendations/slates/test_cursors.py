"""Cursors that lead to the next page of a slate."""

from datetime import timedelta

import pytest
from django.core.signing import Signer

from listings.models import Actor
from recommendations.slates import store
from recommendations.slates.store import BadCursor


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
