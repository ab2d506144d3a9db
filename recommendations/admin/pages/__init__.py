"""Pages of the admin that are more than a list or a form: an actor, a feed, a listing, a slate, charts.

`base` renders a page within the admin. Each page asks verbs of the domain and names templates under
`templates/staff`; it has no query of its own beyond the row that it is about.
"""
