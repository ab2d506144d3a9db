"""Prediction through LightGBM's C library."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ml.ranking.boosted_trees import BoostedTrees, TreesError
from tests.ml.ranking.shoppers import NAMES


class TestBoostedTrees:
    def test_the_ranker_scores_as_lightgbm_does(self, model, unseen):
        import lightgbm

        features = unseen.slates.features.copy()
        features[::5, 1] = np.nan
        expected = lightgbm.Booster(model_str=model.text).predict(features)
        assert np.allclose(model.predict(features), expected, atol=1e-6)

    def test_the_ranker_reads_features_in_any_memory_order(self, model, unseen):
        features = unseen.slates.features[:40]
        assert (model.predict(np.asfortranarray(features)) == model.predict(features)).all()
        assert (model.predict(features[::2]) == model.predict(features)[::2]).all()

    def test_text_that_holds_no_trees_is_refused(self):
        with pytest.raises(TreesError):
            BoostedTrees("not a model")


SERVE = """
import sys
import numpy as np
from ml.ranking.lambdarank import RankerModel
from ml.ranking.boosted_trees import _library
def threads():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Threads"))
from pathlib import Path
_library()
before = threads()
model = RankerModel.load(Path(sys.argv[1]), feature_names=sys.argv[2].split(","))
model.predict(np.zeros((5000, 3), np.float32))
print(threads() - before, *sorted({name.split(".")[0] for name in sys.modules}))
"""


class TestServing:
    def test_serving_a_ranker_loads_neither_sklearn_nor_lightgbm_and_starts_no_thread(self, model, tmp_path):
        model.save(tmp_path)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
        served = subprocess.run(
            [sys.executable, "-c", SERVE, str(tmp_path), ",".join(NAMES)],
            env=environment | {"OMP_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
        )
        assert served.returncode == 0, served.stderr
        started, *loaded = served.stdout.split()
        assert started == "0"
        assert "numpy" in loaded
        assert not {"sklearn", "pandas", "lightgbm", "torch"} & set(loaded)
