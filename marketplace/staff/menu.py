"""The menu of the staff site: tables by task, those for developers last."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse


@dataclass(frozen=True)
class Task:
    """A part of the menu. tables: labels of models in order, each with the name of its icon."""

    name: str
    tables: dict[str, str]


TASKS = (
    Task(
        "Catalogue",
        {
            "listings.Listing": "sell",
            "listings.Category": "account_tree",
            "listings.Place": "location_on",
            "recommendations.PhotoCopy": "content_copy",
        },
    ),
    Task(
        "People",
        {
            "listings.Actor": "person",
            "recommendations.Interaction": "touch_app",
            "recommendations.Doubt": "gpp_maybe",
        },
    ),
    Task(
        "Recommendations",
        {
            "recommendations.Slate": "view_agenda",
            "recommendations.Boost": "trending_up",
            "recommendations.BoostChange": "history",
            "recommendations.SynonymGroup": "translate",
        },
    ),
    Task("Experiments", {"recommendations.Experiment": "science"}),
    Task("Models", {"recommendations.TrainedModel": "model_training"}),
    Task(
        "Operations",
        {
            "recommendations.EmbeddingJob": "pending_actions",
            "listings.PhotoSource": "cloud_download",
            "marketplace.ServiceKey": "key",
            "marketplace.PersonToken": "badge",
            "marketplace.StaffAccess": "policy",
            "auth.User": "manage_accounts",
            "auth.Group": "groups",
        },
    ),
)
DEVELOPERS = "Developer's tables"  # whatever no task names
ICON_OF_OTHERS = "table"


def by_task(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Django's list of apps with their tables, as one of tasks. Only what was listed is listed again."""
    listed = {_label(table): table for app in apps for table in app["models"]}
    parts = [(task.name, [listed.pop(label) for label in task.tables if label in listed]) for task in TASKS]
    return [_part(name, tables) for name, tables in (*parts, (DEVELOPERS, list(listed.values()))) if tables]


def with_icons(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with icons, as django-unfold wants it. The front page comes first."""
    icons = {label: icon for task in TASKS for label, icon in task.tables.items()}
    front = {"title": "Dashboard", "icon": "monitoring", "link": reverse("admin:index")}
    parts = [
        {
            "title": task["name"],
            "collapsible": task["name"] == DEVELOPERS,
            "items": [
                {
                    "title": table["name"],
                    "icon": icons.get(_label(table), ICON_OF_OTHERS),
                    "link": table["admin_url"],
                }
                for table in task["models"]
            ],
        }
        for task in tasks
    ]
    return [{"items": [front]}, *parts]


def _label(table: dict[str, Any]) -> str:
    return table["model"]._meta.label


def _part(name: str, tables: list[dict[str, Any]]) -> dict[str, Any]:
    label = name.split("'")[0].lower()
    return {
        "name": name,
        "app_label": label,
        "app_url": f"{reverse('admin:index')}#{label}",
        "has_module_perms": True,
        "models": tables,
    }
