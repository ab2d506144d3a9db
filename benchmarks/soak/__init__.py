"""An installation under steady traffic: `python -m benchmarks.soak`."""
