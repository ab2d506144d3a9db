"""Collaborative models: ALS factors, item-item co-visitation, and priors from content for unseen items.

`als` and `covisitation` fit a model from a matrix of interactions; `content_prior` estimates for an item
that has none. Knows nothing of listings, actors or photos.
"""
