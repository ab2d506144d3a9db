"""The installation: settings, processes, servers, and what every request passes through.

`settings` and `environment` hold every setting; `entry` prepares each process. It may import everything
else, and nothing imports it.
"""
