"""URLs of the plain image API at the root of the site, with and without a trailing slash."""

from django.urls import re_path

from recommendations import plain_image_api

urlpatterns = [
    re_path(r"^healthcheck/?$", plain_image_api.HealthApi.as_view(), name="healthcheck"),
    re_path(r"^predict/feature_embedding/?$", plain_image_api.FeaturesApi.as_view(), name="plain-features"),
    re_path(r"^predict/similar_images/?$", plain_image_api.SimilarImagesApi.as_view(), name="plain-similar"),
    re_path(r"^predict/category/?$", plain_image_api.CategoryApi.as_view(), name="plain-category"),
    re_path(r"^predict/image/?$", plain_image_api.ImageApi.as_view(), name="plain-image"),
]
