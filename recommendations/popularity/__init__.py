"""What is popular now: trending scores, impressions and clicks of each listing, and fatigue.

`trending` and `impression_counts` roll events up in the background; reads are cheap. Knows no user profile.
"""
