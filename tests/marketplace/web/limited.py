"""Requests that rate limits may refuse."""

LOGIN, EVENTS, SEARCH = "/api/v1/login/", "/api/v1/interactions/", "/api/v1/search/"
FORM = "/admin/login/"


def is_too_many(response) -> bool:
    """Whether it is a 429 with Retry-After."""
    if response.status_code != 429:
        return False
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    return True


def attempts(client, name: str, count: int, **headers) -> list[int]:
    guess = {"username": name, "password": "guess"}
    return [client.post(LOGIN, guess, format="json", **headers).status_code for _ in range(count)]
