"""Events of actors: recorded once, parked while their listing is unknown, retracted, imported and exported.

`recording` is the front door. `identity` says which actors are one person; `retractions` says which events
still count. Knows nothing of models or of what is recommended.
"""
