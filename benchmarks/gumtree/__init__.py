"""Encoders and search on real adverts: `python -m benchmarks.gumtree`."""
