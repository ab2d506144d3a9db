import subprocess
import sys


class TestMissingOperators:
    PROGRAM = """
from ml.vision.torchvision_operators import declare_missing_operators
declare_missing_operators()
declare_missing_operators()
import torchvision
print(torchvision.models.get_model("resnet18", weights=None).fc.in_features)
"""

    def test_torchvision_can_be_imported_once_its_missing_operators_are_declared(self):
        command = [sys.executable, "-c", self.PROGRAM]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "512"
