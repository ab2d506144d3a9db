"""Tools without a subject: locks, files that survive a crash, Redis connections, progress, caches.

Most modules stand alone. Knows actors, and which of them are one person (`identity`), and no other package of
recommendations.
"""
