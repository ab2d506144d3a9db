"""Every address of the project."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from marketplace import health, media
from marketplace.api import LoginApi, LogoutApi
from marketplace.rate_limits import limited_login

urlpatterns = [
    path("", RedirectView.as_view(url="/api/docs/", http_method_names=["get", "head"]), name="home"),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("admin/login/", limited_login(admin.site.login), name="login-form"),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/v1/login/", LoginApi.as_view(), name="login"),
    path("api/v1/logout/", LogoutApi.as_view(), name="logout"),
    path("api/v1/", include("recommendations.urls")),
    path("api/v1/", include("listings.urls")),
    path("", include("recommendations.plain_image_urls")),
    re_path(media.NAMES, media.photo, name="media"),
]

handler400 = "marketplace.errors.bad_request"
handler403 = "marketplace.errors.forbidden"
handler404 = "marketplace.errors.not_found"
handler500 = "marketplace.errors.server_error"

admin.site.site_header = admin.site.site_title = "Marketplace"
admin.site.index_title = "Catalogue and recommendations"
