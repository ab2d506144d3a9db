"""The feed against a log of simulated shoppers: `python -m benchmarks.feed`."""
