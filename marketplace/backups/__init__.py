"""Backup and restore of PostgreSQL, photos and models, as one folder that is verified.

`backup` is the front door. Knows nothing of requests.
"""
