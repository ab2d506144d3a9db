"""URLs of the plain image API at the root of the site, with and without a trailing slash."""

from django.urls import re_path

from recommendations.api import plain_images

urlpatterns = [
    re_path(r"^healthcheck/?$", plain_images.HealthApi.as_view(), name="healthcheck"),
    re_path(r"^predict/feature_embedding/?$", plain_images.FeaturesApi.as_view(), name="plain-features"),
    re_path(r"^predict/similar_images/?$", plain_images.SimilarImagesApi.as_view(), name="plain-similar"),
    re_path(r"^predict/category/?$", plain_images.CategoryApi.as_view(), name="plain-category"),
    re_path(r"^predict/image/?$", plain_images.ImageApi.as_view(), name="plain-image"),
]
