"""Photos are served and nothing else."""

import pytest

from tests import factories
from tests.marketplace.web.policies import policy


class TestMedia:
    @pytest.fixture
    def photo(self, alice):
        return factories.photo(factories.listing(alice))

    def test_a_photo_is_served_as_a_sandboxed_jpeg(self, client, photo):
        response = client.get(f"/media/{photo.file.name}")
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "image/jpeg"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert set(policy(response)) == {"default-src", "sandbox", "frame-ancestors"}
        assert response.headers["Content-Length"] == str(len(b"".join(response.streaming_content)))

    @pytest.mark.parametrize(
        "name",
        [
            *("photos/evil.html", "photos/ab/evil.svg", "photos/ab/../../secret_key", "secret_key"),
            *("photos/%2e%2e/%2e%2e/secret_key", "photos/", "photos/ab/", "photos//etc/passwd"),
        ],
    )
    def test_only_photos_are_served_from_the_media_folder(self, client, db, settings, name):
        folder = settings.MEDIA_ROOT
        (folder / "photos" / "ab").mkdir(parents=True)
        for file in (folder / "photos/evil.html", folder / "photos/ab/evil.svg", folder / "secret_key"):
            file.write_text("<script>")
        assert client.get(f"/media/{name}").status_code == 404
