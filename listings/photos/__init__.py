"""Photo files: received, checked, fetched from a service's address, stored and deleted.

`processing` is the front door: it turns bytes into a checked JPEG or says why not. Knows no recommendation.
"""
