"""Health checks and metrics: whether the installation works, and how busy it is.

`checks` decides what is wrong; `views` and `check` show it over HTTP and on the command line; `metrics` is
what Prometheus reads. Changes nothing.
"""
