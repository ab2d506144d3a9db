"""The installation: settings, processes, servers, and what every request passes through.

`settings` holds what Django reads, `configuration` what the operator sets; `entry` prepares each process. It
may import everything else, and nothing imports it.
"""
