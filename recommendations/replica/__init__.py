"""The catalogue in memory: each process follows the change log and answers from an immutable snapshot.

`follower` is the front door: `follower.snapshot()` gives the current snapshot. `generations` are its files.
Knows models, and nothing of requests.
"""
