"""Reading of a search query: its words, with their other writings and synonyms, and its filters.

`parsed_query` is the front door. Knows nothing of rankings and pages.
"""
