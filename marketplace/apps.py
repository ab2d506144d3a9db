from django.apps import AppConfig


class MarketplaceConfig(AppConfig):
    name = "marketplace"

    def ready(self) -> None:
        from marketplace import (
            authentication,  # noqa: F401  merges visitors at login
            celery,  # noqa: F401  so that shared tasks know their broker
            logs,
            metrics,
            schema,  # noqa: F401  describes the credentials
        )

        logs.carry_into_tasks()
        metrics.follow_tasks()
