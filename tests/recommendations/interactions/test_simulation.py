import numpy as np
from django.core.management import call_command

from recommendations.models.events import Interaction


class TestSimulate:
    def test_simulate_says_that_events_are_simulated_and_the_same_seed_adds_nothing(self, shoppers, capsys):
        count = Interaction.objects.count()
        call_command("simulate", "--shoppers", "5", "--seed", "3")
        assert "SIMULATED" in capsys.readouterr().out
        more = Interaction.objects.count()
        assert more > count
        call_command("simulate", "--shoppers", "5", "--seed", "3")
        assert Interaction.objects.count() == more

    def test_simulated_shoppers_have_tastes(self, shoppers):
        """Most views of a shopper are in one or two categories, unevenly."""
        shares = []
        for number in range(30):
            paths = Interaction.objects.filter(actor__external_id=f"shopper-2-{number}", kind="favourite")
            viewed = list(paths.values_list("listing__category__path", flat=True))
            if len(viewed) >= 3:
                shares.append(max(viewed.count(path) for path in viewed) / len(viewed))
        assert np.mean(shares) > 0.75

    def test_simulated_shoppers_buy_a_listing_once_and_leave_it_active(self, shoppers):
        bought = list(Interaction.objects.filter(kind="purchase").values_list("listing_id", flat=True))
        assert bought
        assert len(bought) == len(set(bought))
        assert set(Interaction.objects.values_list("listing__status", flat=True)) == {"active"}
