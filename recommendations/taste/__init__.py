"""User profiles: what an actor likes, where they are, and what they have already bought.

`profile` is the front door; nothing is cached between requests, so that the next request reflects the last
event. Knows nothing of candidates.
"""
