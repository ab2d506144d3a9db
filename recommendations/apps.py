from django.apps import AppConfig


class RecommendationsConfig(AppConfig):
    name = "recommendations"

    def ready(self) -> None:
        from recommendations import (
            crash_points,
            receivers,  # noqa: F401  connects the receivers
        )

        crash_points.refuse_in_production()
