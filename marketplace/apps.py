from django.apps import AppConfig


class MarketplaceConfig(AppConfig):
    name = "marketplace"

    def ready(self) -> None:
        from marketplace import celery  # noqa: F401  configures the broker of shared tasks
        from marketplace.monitoring import logs, metrics
        from marketplace.web import (
            authentication,  # noqa: F401  connects signal receivers
            schema,  # noqa: F401  registers an extension of drf-spectacular
        )

        logs.carry_into_tasks()
        metrics.follow_tasks()
