"""Numerical code on arrays: numpy, torch, faiss and implicit.

Each package takes arrays and returns arrays or models; shapes, dtypes and units stand beside them.
`arrays`, `faiss_searches`, `model_files`, `perceptual_hash`, `positions`, `progress` and `vector_index` are
shared by all.
Nothing here knows Django, a database or a setting.
"""
