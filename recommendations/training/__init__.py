"""Training of every model, from stored data to a published version.

One module for each kind: `collaborative`, `encoder`, `ranker`, `backbone`. The others are steps of these.
Nothing that serves imports it.
"""
