from django.urls import path

from recommendations.api import feed, search

urlpatterns = [
    path("classify/", search.ClassifyApi.as_view(), name="classify"),
    path("feed/", feed.FeedApi.as_view(), name="feed"),
    path("interactions/", feed.InteractionsApi.as_view(), name="interactions"),
    path("listings/<str:listing_id>/similar/", feed.SimilarApi.as_view(), name="similar"),
    path("recommend/", search.RecommendApi.as_view(), name="recommend"),
    path("search/", search.SearchApi.as_view(), name="search"),
]
