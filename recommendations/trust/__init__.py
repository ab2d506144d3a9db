"""How much an actor's events count: weights of interactions, and the detection of collusion.

`weighting` is the front door for reads, `detection` decides who is in doubt. Knows events alone.
"""
