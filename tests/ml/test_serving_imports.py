"""Serving imports no training library, since torch alone costs a process hundreds of megabytes."""

import subprocess
import sys

SERVED = [
    *("arrays", "model_files", "vector_index", "collaborative.als", "collaborative.content_prior"),
    *("collaborative.covisitation", "encoder.blocks", "ranking.blending", "ranking.interests"),
]
HEAVY = ("torch", "torchvision", "sklearn", "implicit", "transformers", "django")
PROGRAM = """
import sys
import numpy as np
for name in sys.argv[1].split(","):
    __import__(f"ml.{name}")
from ml.collaborative.als import of_factors
factors = np.eye(3, dtype=np.float32)
of_factors(np.arange(3), factors, factors, 0.1).fold_in(np.array([1]), np.ones(1, np.float32))
print(",".join(name for name in sys.argv[2].split(",") if name in sys.modules))
"""


def heavy_after_importing(*names: str) -> set[str]:
    command = [sys.executable, "-c", PROGRAM, ",".join(names), ",".join(HEAVY)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return set(output.split(",")) - {""}


def test_the_modules_that_serve_import_no_training_library():
    assert heavy_after_importing(*SERVED) == set()


def test_importing_the_text_encoder_is_seen_to_import_sklearn():
    assert "sklearn" in heavy_after_importing("encoder.text")
