"""Versions of trained models: published, activated, rolled back and watched by every process.

`publication` is the front door; `gate` decides whether a new model may serve; `artifacts` keeps the files.
Knows kinds of models by name alone.
"""
