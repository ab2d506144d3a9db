"""Requests to the events endpoint, and a reader of its answers."""

ADDRESS = "/api/v1/interactions/"


def body(listing, event_id="e1", kind="view", **more) -> dict:
    """The body of an event."""
    return {"event_id": event_id, "listing": listing.external_id, "kind": kind} | more


def outcomes(response) -> list[str]:
    """The outcome of each event that was sent."""
    assert response.status_code == 200, response.content
    return [result["outcome"] for result in response.json()["results"]]
