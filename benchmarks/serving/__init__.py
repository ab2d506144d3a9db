"""Speed and memory of serving. `__main__` says what is measured."""
