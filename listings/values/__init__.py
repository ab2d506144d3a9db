"""What people and programs write for one value of a listing, such as a price, read in one way everywhere.

`prices` reads prices. Pure functions on text: no database, and no knowledge of where a text came from.
"""
