"""Bodies of events that are malformed or unusual, over the API."""

import pytest

from tests.recommendations.interactions.requests import ADDRESS, body, outcomes


class TestEventBody:
    @pytest.mark.parametrize("garbage", [[], "text", None, {"events": {}}, {"events": []}, {"events": [1]}])
    def test_a_malformed_body_of_events_is_a_400(self, as_bob, garbage):
        assert as_bob.post(ADDRESS, garbage).status_code == 400

    @pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00", "soon"])
    def test_an_impossible_time_rejects_its_event_alone(self, as_bob, sofa, time):
        events = [body(sofa, "a", occurred_at=time), body(sofa, "b")]
        assert outcomes(as_bob.post(ADDRESS, {"events": events})) == ["rejected", "accepted"]

    @pytest.mark.parametrize("zone", ["+20:00", "+01:00:30.5"])
    def test_an_event_time_in_a_zone_unknown_to_postgresql_is_accepted(self, as_bob, sofa, zone):
        events = [body(sofa, "a", occurred_at=f"2026-03-01T10:00:00{zone}"), body(sofa, "b")]
        assert outcomes(as_bob.post(ADDRESS, {"events": events})) == ["accepted", "accepted"]

    def test_an_event_with_a_lone_surrogate_is_rejected(self, as_bob, sofa):
        text = '{"event_id": "1", "kind": "view", "listing": "\\ud800"}'
        assert outcomes(as_bob.post(ADDRESS, text, content_type="application/json")) == ["rejected"]

    def test_events_with_null_bytes_are_rejected(self, as_bob, sofa):
        assert outcomes(as_bob.post(ADDRESS, body(sofa, "a\x00b"))) == ["rejected"]
        assert outcomes(as_bob.post(ADDRESS, body(sofa, "a", slate="\x00"))) == ["rejected"]
