"""Every address of the project."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from django.views.static import serve
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from marketplace import health
from marketplace.api import LoginApi, LogoutApi

urlpatterns = [
    path("", RedirectView.as_view(url="/api/docs/"), name="home"),
    path("livez", health.livez, name="livez"),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/v1/login/", LoginApi.as_view(), name="login"),
    path("api/v1/logout/", LogoutApi.as_view(), name="logout"),
    path("api/v1/", include("recommendations.urls")),
    path("api/v1/", include("listings.urls")),
    path("", include("recommendations.plain_image_urls")),
    re_path(r"^media/(?P<path>photos/.+)$", serve, {"document_root": settings.MEDIA_ROOT}, name="media"),
]

handler400 = "marketplace.errors.bad_request"
handler403 = "marketplace.errors.forbidden"
handler404 = "marketplace.errors.not_found"
handler500 = "marketplace.errors.server_error"

admin.site.site_header = admin.site.site_title = "Marketplace"
admin.site.index_title = "Catalogue and recommendations"
