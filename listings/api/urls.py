from django.urls import path

from listings.api import categories, views

urlpatterns = [
    path("categories/", categories.CategoriesApi.as_view(), name="categories"),
    path("categories/move/", categories.MoveCategoryApi.as_view(), name="categories-move"),
    path("categories/remove/", categories.RemoveCategoryApi.as_view(), name="categories-remove"),
    path("listings/", views.ListingsApi.as_view(), name="listings"),
    path("listings/batch/", views.BatchApi.as_view(), name="listings-batch"),
    path("listings/<str:listing_id>/", views.ListingApi.as_view(), name="listing"),
    path("listings/<str:listing_id>/photos/", views.PhotosApi.as_view(), name="listing-photos"),
    path("listings/<str:listing_id>/photos/<str:photo_id>/", views.PhotoApi.as_view(), name="listing-photo"),
    path("listings/<str:listing_id>/publish/", views.PublishApi.as_view(), name="listing-publish"),
    path("listings/<str:listing_id>/reserve/", views.ReserveApi.as_view(), name="listing-reserve"),
    path("listings/<str:listing_id>/release/", views.ReleaseApi.as_view(), name="listing-release"),
    path("listings/<str:listing_id>/withdraw/", views.WithdrawApi.as_view(), name="listing-withdraw"),
    path("listings/<str:listing_id>/sold/", views.SoldApi.as_view(), name="listing-sold"),
]
