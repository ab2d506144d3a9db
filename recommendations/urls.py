from django.urls import path

from recommendations import api, search_api

urlpatterns = [
    path("classify/", search_api.ClassifyApi.as_view(), name="classify"),
    path("feed/", api.FeedApi.as_view(), name="feed"),
    path("interactions/", api.InteractionsApi.as_view(), name="interactions"),
    path("listings/<str:listing_id>/similar/", api.SimilarApi.as_view(), name="similar"),
    path("recommend/", search_api.RecommendApi.as_view(), name="recommend"),
    path("search/", search_api.SearchApi.as_view(), name="search"),
]
