from django.urls import path

from recommendations import api

urlpatterns = [
    path("feed/", api.FeedApi.as_view(), name="feed"),
    path("interactions/", api.InteractionsApi.as_view(), name="interactions"),
    path("listings/<str:listing_id>/similar/", api.SimilarApi.as_view(), name="similar"),
]
