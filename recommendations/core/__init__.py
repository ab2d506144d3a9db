"""Tools without a subject: locks, files that survive a crash, Redis connections, progress, caches.

Every module stands alone. Knows no table and no other package.
"""
