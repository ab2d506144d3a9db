"""Settings from the environment: read, checked and explained in one place.

`environment` names every variable with its default; `values` parses them. Everything else reads
`settings.ENVIRONMENT`.
"""
