"""Numerical code on numpy, scipy, torch, FAISS, implicit and LightGBM, without Django or settings."""
