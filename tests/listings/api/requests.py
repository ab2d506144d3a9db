"""Addresses and bodies of requests to the catalogue."""

from django.core.files.uploadedfile import SimpleUploadedFile

from listings.models import Listing

LISTINGS = "/api/v1/listings/"
BATCH = "/api/v1/listings/batch/"
SOFAS = "Home & Garden / Sofas"
NEW = {"title": "Blue sofa", "price": "50.00", "category": SOFAS}


def at(listing: Listing, *verb: str) -> str:
    return "/".join((f"{LISTINGS}{listing.external_id}", *verb, ""))


def ids(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [card["id"] for card in response.json()["results"]]


def upload(data: bytes, name: str = "sofa.jpg", content_type: str = "image/jpeg") -> dict:
    return {"photo": SimpleUploadedFile(name, data, content_type)}
