"""Searches of FAISS's indexes with a selector of rows. FAISS's stubs lack what its Python layer adds."""

import faiss
import numpy as np

from ml.arrays import Bitmap, Matrix

Selector = faiss.IDSelector | None


def selector_of(allowed: Bitmap | None) -> Selector:
    """A selector of the rows of a bitmap by `pack_mask`; None selects all."""
    return None if allowed is None else faiss.IDSelectorBitmap(allowed)  # type: ignore[call-arg, arg-type]


def visit(native: faiss.IndexIVFScalarQuantizer, queries: Matrix, k: int, probes: int) -> np.ndarray:
    """The k nearest rows among so many lists: (q, d) float32 -> (q, k) int64"""
    return native.search(queries, k, params=visiting(probes))[1]


def visiting(probes: int, selector: Selector = None) -> faiss.SearchParameters:
    """Parameters of a search that visits so many lists."""
    return faiss.SearchParametersIVF(sel=selector, nprobe=probes)  # type: ignore[call-arg]
