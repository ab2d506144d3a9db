from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """Django's admin, on the site of this package."""

    default_site = "marketplace.staff.site.StaffSite"
