from django.urls import path

from listings import api

urlpatterns = [
    path("categories/", api.CategoriesApi.as_view(), name="categories"),
    path("listings/", api.ListingsApi.as_view(), name="listings"),
    path("listings/batch/", api.BatchApi.as_view(), name="listings-batch"),
    path("listings/<str:listing_id>/", api.ListingApi.as_view(), name="listing"),
    path("listings/<str:listing_id>/photos/", api.PhotosApi.as_view(), name="listing-photos"),
    path("listings/<str:listing_id>/photos/<str:photo_id>/", api.PhotoApi.as_view(), name="listing-photo"),
    path("listings/<str:listing_id>/publish/", api.PublishApi.as_view(), name="listing-publish"),
    path("listings/<str:listing_id>/reserve/", api.ReserveApi.as_view(), name="listing-reserve"),
    path("listings/<str:listing_id>/release/", api.ReleaseApi.as_view(), name="listing-release"),
    path("listings/<str:listing_id>/withdraw/", api.WithdrawApi.as_view(), name="listing-withdraw"),
    path("listings/<str:listing_id>/sold/", api.SoldApi.as_view(), name="listing-sold"),
]
