"""A person's data: exported, erased, and redacted from what must stay.

`erasure` and `export` are the front doors. Knows every table that holds something of a person.
"""
