from django.apps import AppConfig


class RecommendationsConfig(AppConfig):
    name = "recommendations"

    def ready(self) -> None:
        from recommendations import receivers  # noqa: F401  connects the receivers
        from recommendations.core import failpoints

        failpoints.refuse_in_production()
