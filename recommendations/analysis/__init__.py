"""Reports for people: backtests, experiments, and off-policy estimates from logged slates.

`backtest`, `experiment_report` and `off_policy` are the front doors. Only commands and the admin use them.
"""
