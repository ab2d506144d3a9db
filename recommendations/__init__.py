"""Recommendations: what is shown to whom, and everything that this takes.

`api` is the front door for requests, `tasks` for background work, `receivers` for changes of the catalogue.
The packages form layers, and imports run one way: pyproject.toml has the contracts, docs/architecture.md
the picture.
"""
