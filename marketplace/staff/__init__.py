"""The staff site: the front page of Django's admin and its menu by task, plain or with django-unfold.

`site` is the front door. Pages of single tables stand in the packages of these tables; this package knows in
which order they are listed, and nothing of what they show.
"""
