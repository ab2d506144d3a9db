"""The encoder of a worker: what it encodes of a query, and files that it cannot load."""

import numpy as np
import pytest

from recommendations.encoders import encoder as encoder_module
from recommendations.encoders import selection
from recommendations.encoders.manifest import EncoderUnavailable
from tests import factories


@pytest.fixture
def loaded(encoder) -> encoder_module.Encoder:
    return selection.load_target()


def test_a_query_of_words_has_neither_a_photo_vector_nor_features(loaded):
    encoded = loaded.encode_query("blue sofa", None)
    assert encoded.encoder_version == loaded.version
    assert encoded.vector.any()
    assert (len(encoded.photo), len(encoded.features)) == (0, 0)


def test_a_query_of_a_photo_has_a_photo_vector_and_features(loaded):
    encoded = loaded.encode_query("", factories.as_received(factories.picture()))
    assert encoded.photo.any()
    assert encoded.features.shape == (loaded.feature_dimension,)
    assert encoded.vector.dtype == encoded.photo.dtype == encoded.features.dtype == np.float32


def test_an_encoder_suggests_no_categories_before_a_training(loaded):
    encoded = loaded.encode_query("blue sofa", factories.as_received(factories.picture()))
    assert (encoded.roots, encoded.leaves) == ((), ())


def test_an_encoder_without_a_sentence_encoder_embeds_no_sentences(loaded):
    assert loaded.text_encoder == ""
    assert loaded.sentences([("Blue sofa", "")]) is None


def test_a_backbone_whose_weights_are_gone_names_the_command_to_run(tmp_path):
    with pytest.raises(EncoderUnavailable, match="manage.py embed"):
        encoder_module.load_backbone("shufflenet_v2_x0_5", str(tmp_path / "gone.safetensors"))


def test_there_is_no_sentence_encoder_where_n_grams_are_configured(settings):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"text_encoder": "ngrams"})
    assert encoder_module.configured_sentence_encoder() is None
