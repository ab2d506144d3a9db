"""From candidates to an order with reasons: scores, boosts, diversity, exploration, explanations.

`scoring` is the front door; the other modules are the steps after it, in the order of the feed. Reads no
request.
"""
