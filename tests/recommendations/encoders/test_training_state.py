"""What is said of the encoder in service and of the next one."""

import pytest

from recommendations.core import locks
from recommendations.encoders import selection, training_state
from tests import factories
from tests.recommendations.conftest import elsewhere
from tests.recommendations.indexed import embed


def needing(settings, count: int) -> None:
    """An encoder is trained by itself from this number of listings on."""
    update = {"train_encoder_after_listings": count}
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=update)


def test_without_an_encoder_nothing_serves(db):
    assert training_state.read_state().serving == "No encoder was chosen yet."


@pytest.mark.usefixtures("encoder")
class TestWhatComesNext:
    def test_an_untrained_encoder_names_its_backbone(self, weights_file):
        assert training_state.read_state().serving == (
            f"In service: shufflenet_v2_x0_5 with the weights in {weights_file.name}, from IMAGE_WEIGHTS, "
            "without trained heads."
        )

    def test_before_there_are_enough_listings_their_numbers_are_said(self, alice, settings):
        needing(settings, 5)
        factories.listing(alice, "Sofa")
        embed()
        assert "once 5 listings are embedded; 1 are" in training_state.read_state().next

    def test_without_automatic_training_the_command_is_named(self, settings):
        needing(settings, 0)
        assert training_state.read_state().next == "Train one with `manage.py train encoder`."

    @pytest.mark.django_db(transaction=True)
    def test_a_running_training_is_said(self):
        with elsewhere(locks.ENCODER):
            assert training_state.read_state().next.startswith("An encoder is being trained.")

    def test_until_the_next_encoder_serves_the_listings_that_wait_are_counted(self, alice, encoder):
        factories.listing(alice, "Sofa")
        selection.register("next", encoder.path, encoder.sha256, {})
        assert "once 1 more listings are embedded" in training_state.read_state().next
