import pytest

from listings.announcing import listings_changed


@pytest.fixture
def announced():
    """The listings_changed signals so far, each as its list of ids."""
    heard: list[list[int]] = []

    def hear(sender, listing_ids, **_):
        heard.append(listing_ids)

    listings_changed.connect(hear)
    yield heard
    listings_changed.disconnect(hear)
