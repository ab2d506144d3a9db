"""URL patterns of the project."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required as for_anyone
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from marketplace.monitoring import views
from marketplace.storefront import home
from marketplace.web import media
from marketplace.web.rate_limits import limited_login
from marketplace.web.token_api import LoginApi, LogoutApi

# By default, plain views require a login and REST views refuse everyone. docs/access.md lists the permissions
# of each address; a test compares it.
urlpatterns = [
    path("", home.HomePage.as_view(), name="home"),
    path("", include("marketplace.storefront.urls")),
    path("livez", for_anyone(views.livez), name="livez"),
    path("readyz", for_anyone(views.readyz), name="readyz"),
    path("metrics", for_anyone(views.metrics), name="metrics"),
    path("admin/login/", limited_login(admin.site.login), name="login-form"),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/v1/login/", LoginApi.as_view(), name="login"),
    path("api/v1/logout/", LogoutApi.as_view(), name="logout"),
    path("api/v1/", include("recommendations.urls")),
    path("api/v1/", include("listings.api.urls")),
    path("", include("recommendations.api.plain_image_urls")),
    re_path(media.NAMES, for_anyone(media.photo), name="media"),
]

handler400 = "marketplace.web.errors.bad_request"
handler403 = "marketplace.web.errors.forbidden"
handler404 = "marketplace.web.errors.not_found"
handler500 = "marketplace.web.errors.server_error"
