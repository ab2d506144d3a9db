"""Files of events: import, in our own shape or those of Segment and GA4, and export.

`import_files` and `export_files` are the verbs. What is exported is read back. Which event counts is decided
by `interactions`, as for events sent to the API.
"""
