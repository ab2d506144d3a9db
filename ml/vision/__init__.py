"""Photos to features: decoding, backbones, their weights, and how they are trained or fine-tuned.

`backbone` is the front door; torch is imported only where it computes. Knows no words and no listings.
"""
