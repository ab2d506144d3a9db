"""Requests with credentials, and the callers that they lead to."""

from listings.models import Listing

INTERACTIONS = "/api/v1/interactions/"
LOGIN, LOGOUT = "/api/v1/login/", "/api/v1/logout/"


def view(listing: Listing, event_id: str = "1", **more) -> dict:
    return {"event_id": event_id, "listing": listing.external_id, "kind": "view"} | more


def outcomes(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [result["outcome"] for result in response.json()["results"]]
