from django.urls import path

from marketplace.storefront import account, home, listing, search, sell

urlpatterns = [
    path("why/<str:slate_id>/<str:listing_id>/", home.WhyPage.as_view(), name="shop-why"),
    path("favourites/", home.FavouritesPage.as_view(), name="shop-favourites"),
    path("shoppers/", home.ShoppersPage.as_view(), name="shop-shoppers"),
    path("listing/<str:listing_id>/", listing.ListingPage.as_view(), name="shop-listing"),
    path("listing/<str:listing_id>/events/", home.EventAction.as_view(), name="shop-event"),
    path("listing/<str:listing_id>/alike/", listing.AlikeAction.as_view(), name="shop-alike"),
    path("listing/<str:listing_id>/standing/", sell.StandingPart.as_view(), name="shop-standing"),
    path("search/", search.SearchResultsPage.as_view(), name="shop-search"),
    path("sell/", sell.SellPage.as_view(), name="shop-sell"),
    path("sell/advice/", sell.SellAdvice.as_view(), name="shop-sell-advice"),
    path("login/", account.log_in, name="shop-login"),
    path("logout/", account.log_out, name="shop-logout"),
]
