"""Manifests of encoders that are missing or damaged."""

import pytest

from recommendations.encoders import selection
from recommendations.encoders.manifest import EncoderUnavailable


class TestDamagedManifests:
    def test_an_encoder_with_a_missing_manifest_is_refused_and_chosen_anew(self, encoder, settings):
        file = settings.MODEL_ROOT / encoder.path
        file.unlink()
        with pytest.raises(EncoderUnavailable, match="manage.py embed"):
            selection.blocks_of(encoder)
        again = selection.ensure_encoder(lambda line: None)
        assert again == encoder
        assert file.exists()

    def test_an_edited_manifest_of_an_encoder_is_refused(self, encoder, settings):
        file = settings.MODEL_ROOT / encoder.path
        file.write_text(file.read_text().replace("shufflenet", "mobilenet"))
        with pytest.raises(EncoderUnavailable, match="not what was recorded"):
            selection.blocks_of(encoder)
