"""Encoders: photo features and words to one vector of a listing, in one space for photos and text.

`projection` is the encoder that needs no training, `joint` the trained one, `training` fits it. `blocks`
says how the parts of a vector are compared. Knows no database and no catalogue.
"""
