"""Rate limits of writes to listings."""

import pytest

from marketplace.configuration.environment import Environment
from tests.marketplace.web.limited import is_too_many

LISTINGS = "/api/v1/listings/"
VERBS = ("publish", "reserve", "release", "withdraw", "sold")
NEW = {"title": "Blue sofa", "price": "50", "category": "Home & Garden / Sofas"}


def writes(client, listing) -> dict[str, object]:
    """A request for each way to write, by name. The photo is already gone, which is a 404."""
    path = f"{LISTINGS}{listing.external_id}/"
    changes = {verb: lambda verb=verb: client.post(f"{path}{verb}/") for verb in VERBS}
    return changes | {
        "post": lambda: client.post(LISTINGS, NEW),
        "patch": lambda: client.patch(path, {"price": "51"}),
        "delete": lambda: client.delete(path),
        "photo": lambda: client.delete(f"{path}photos/none/"),
    }


@pytest.mark.parametrize("way", ["post", "patch", "delete", "photo", *VERBS])
def test_every_way_to_write_a_listing_is_limited(as_alice, sofa, limits, way):
    limits(listing_writes_per_minute=2)
    write = writes(as_alice, sofa)[way]
    assert not any(is_too_many(write()) for _ in range(2))
    assert is_too_many(write())
    assert as_alice.get(LISTINGS).status_code == 200


def test_all_ways_to_write_listings_share_one_limit(as_alice, sofa, limits):
    limits(listing_writes_per_minute=3)
    write = writes(as_alice, sofa)
    assert [write[way]().status_code for way in ("post", "patch", "reserve")] == [201, 200, 200]
    assert is_too_many(write["release"]())


def test_by_default_nobody_writes_250_listings_in_a_minute():
    assert 0 < Environment.model_fields["listing_writes_per_minute"].default < 250


def test_a_services_batches_have_a_multiple_of_the_limit(as_service, limits):
    limits(listing_writes_per_minute=1, service_rate_factor=5)
    row = NEW | {"seller": "x"}
    for number in range(5):
        body = {"listings": [row | {"external_id": f"sofa-{number}"}]}
        assert as_service.put(f"{LISTINGS}batch/", body).status_code == 200
    assert is_too_many(as_service.put(f"{LISTINGS}batch/", body))
