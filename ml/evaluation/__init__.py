"""Figures that say how good an order, an encoder or a policy is, with confidence intervals.

`ranking_metrics` and `slate_metrics` judge orders, `retrieval_metrics` judges encoders, `off_policy`
estimates what another policy would have earned. Trains nothing that serves.
"""
