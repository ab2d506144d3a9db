"""Events of actors: recorded once, parked while their listing is unknown, retracted.

`recording` is the front door; `retractions` says which events still count, `weights` what each kind is worth.
Knows nothing of trained models or of what is recommended.
"""
