"""Requests to the search endpoint, places, and readers of its answers."""

from django.core.files.uploadedfile import SimpleUploadedFile

SEARCH = "/api/v1/search/"
LEEDS = {"latitude": 53.8, "longitude": -1.55}
YORK = {"latitude": 53.96, "longitude": -1.08}
BATH = {"latitude": 51.38, "longitude": -2.36}
BIKES = "Sports / Bicycles"
SEATS = "Home & Garden / Seats"


def ask(client, status: int = 200, **query) -> dict:
    response = client.get(SEARCH, query)
    assert response.status_code == status, response.content
    return response.json()


def ids(page: dict) -> list[str]:
    return [item["listing"]["id"] for item in page["items"]]


def names(page: dict, catalogue: dict) -> list[str]:
    by_id = {listing.external_id: name for name, listing in catalogue.items()}
    return [by_id[external_id] for external_id in ids(page)]


def upload(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", data, "image/jpeg")
