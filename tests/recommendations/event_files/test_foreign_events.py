"""Events in the shape of other systems' exports."""

import json

import pyarrow
import pyarrow.parquet
from django.core.management import call_command

from recommendations.models.events import Interaction


def stored() -> set[tuple[str, str, str]]:
    rows = Interaction.objects.values_list("actor__external_id", "listing__external_id", "kind")
    return set(rows)


class TestSegment:
    def track(self, number: int, event: str, **properties) -> dict:
        return {
            "type": "track",
            "messageId": f"m{number}",
            "event": event,
            "userId": None if number == 2 else "bob",
            "anonymousId": "anon-7",
            "timestamp": "2026-03-14T12:00:00.123Z",
            "properties": properties,
        }

    def test_tracks_become_events_and_the_rest_is_reported(self, sofas, tmp_path, capsys):
        first, second = sofas[0].external_id, sofas[1].external_id
        rows = [
            self.track(1, "Product Viewed", product_id=first, position=3),
            self.track(2, "Product Added to Wishlist", product_id=second),
            self.track(3, "Order Completed", order_id="o", products=[{"product_id": first}]),
            self.track(4, "Order Completed", products=[{"product_id": first}, {"product_id": second}]),
            self.track(5, "Signed In"),
            {"type": "page", "messageId": "m6"},
        ]
        (tmp_path / "segment.jsonl").write_text("\n".join(map(json.dumps, rows)))
        report = tmp_path / "refused.csv"
        call_command("import_interactions", str(tmp_path / "segment.jsonl"), report=report)
        out = capsys.readouterr().out
        assert "read as an export of Segment" in out and "3 accepted, 3 rejected" in out
        assert stored() == {
            ("bob", first, "view"),
            ("anon-7", second, "favourite"),
            ("bob", first, "purchase"),
        }
        assert "several listings" in report.read_text() and "is no track" in report.read_text()

    def test_a_table_of_tracks_is_read_too(self, sofa, tmp_path):
        text = "message_id,event,user_id,timestamp,product_id\n1,product_viewed,bob,2026-03-14T12:00Z,"
        (tmp_path / "tracks.csv").write_text(text + sofa.external_id)
        call_command("import_interactions", str(tmp_path / "tracks.csv"))
        assert stored() == {("bob", sofa.external_id, "view")}


class TestGa4:
    def rows(self, sofa) -> list[dict]:
        names = ("view_item", "add_to_cart", "purchase", "scroll")
        return [
            {
                "event_name": name,
                "event_timestamp": 1_773_489_600_000_000 + place,
                "user_pseudo_id": "7.9",
                "user_id": "bob" if name == "purchase" else None,
                "items": [{"item_id": sofa.external_id, "quantity": 1}],
            }
            for place, name in enumerate(names)
        ]

    def test_rows_of_bigquery_become_events_once(self, sofa, tmp_path, capsys):
        (tmp_path / "ga4.jsonl").write_text("\n".join(map(json.dumps, self.rows(sofa))))
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(self.rows(sofa)), tmp_path / "ga4.parquet")
        call_command("import_interactions", str(tmp_path / "ga4.jsonl"))
        assert "3 accepted, 1 rejected" in capsys.readouterr().out
        call_command("import_interactions", str(tmp_path / "ga4.parquet"))
        assert "3 duplicate, 1 rejected" in capsys.readouterr().out
        assert stored() == {
            ("7.9", sofa.external_id, "view"),
            ("7.9", sofa.external_id, "favourite"),
            ("bob", sofa.external_id, "purchase"),
        }
