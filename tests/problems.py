"""How the API tells that something is wrong."""

PROBLEM = "application/problem+json"


def is_problem(response, status: int) -> bool:
    """Whether it is one of this status; what is no problem at all fails the test."""
    assert response.headers["Content-Type"] == PROBLEM, response.content
    assert response.json()["status"] == response.status_code
    return response.status_code == status
