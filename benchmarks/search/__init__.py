"""Search for everyday intents over real adverts: `python -m benchmarks.search`."""
