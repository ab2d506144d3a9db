from django.apps import AppConfig


class MarketplaceConfig(AppConfig):
    name = "marketplace"

    def ready(self) -> None:
        from marketplace.monitoring import logs, metrics

        logs.carry_into_tasks()
        metrics.follow_tasks()
