"""REST views of categories."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.response import Response

from listings.api.serializers import CategoryCard
from listings.api.strict import StrictSerializer
from listings.api.views import CATALOGUE, CatalogueApi
from listings.callers import CHANGE_CATEGORIES
from listings.categories.changes import move_category, remove_category
from listings.categories.tree import LONGEST_PATH, find_category
from listings.models import Category


class ChangesCategories(BasePermission):
    """Services with the catalogue scope, and staff who may change categories."""

    message = "Only a service or staff may change categories."

    def has_permission(self, request, view) -> bool:
        caller = request.caller
        may = caller.is_service or CHANGE_CATEGORIES in caller.permissions
        return may and "catalogue" in caller.scopes


class CategoryPath(StrictSerializer):
    """A category, by its path in any spelling."""

    path = serializers.CharField(max_length=LONGEST_PATH)


class CategoryMove(CategoryPath):
    """A category and the path that it gets, with all below it. Where that one exists, the two are merged."""

    to = serializers.CharField(max_length=LONGEST_PATH)


@extend_schema_view(get=extend_schema(tags=[CATALOGUE]))
class CategoriesApi(CatalogueApi, ListAPIView):
    """Every category path."""

    serializer_class = CategoryCard
    queryset = Category.objects.order_by("path")
    pagination_class = None


class MoveCategoryApi(CatalogueApi):
    """Renames a category with all below it, or merges it into another. Its listings go along."""

    permission_classes = [ChangesCategories]

    @extend_schema(request=CategoryMove, responses=CategoryCard, tags=[CATALOGUE])
    def post(self, request):
        move = CategoryMove(data=request.data)
        move.is_valid(raise_exception=True)
        category = find_category(move.validated_data["path"])
        return Response(CategoryCard(move_category(category=category, path=move.validated_data["to"])).data)


class RemoveCategoryApi(CatalogueApi):
    """Deletes a category that holds neither listings nor categories."""

    permission_classes = [ChangesCategories]

    @extend_schema(request=CategoryPath, responses={204: None}, tags=[CATALOGUE])
    def post(self, request):
        wanted = CategoryPath(data=request.data)
        wanted.is_valid(raise_exception=True)
        remove_category(category=find_category(wanted.validated_data["path"]))
        return Response(status=204)
