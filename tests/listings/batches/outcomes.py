"""Outcomes of fetching photos."""


def outcome(counts: dict[str, int]) -> str:
    return next((name for name, count in counts.items() if count), "nothing")
