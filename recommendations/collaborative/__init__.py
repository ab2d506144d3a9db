"""The collaborative model in service: the history it was fitted on, its files, and its refresh between
trainings.

`model` is what serving uses; `store` writes and reads it; `history` reads events as matrices. Training is
elsewhere.
"""
