"""REST views that issue and revoke tokens of persons."""

from django.contrib.auth import authenticate, logout
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from drf_spectacular.utils import extend_schema
from knox.auth import TokenAuthentication
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.models import PersonToken, Scope


class Credentials(serializers.Serializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=500, trim_whitespace=False)
    scopes = serializers.MultipleChoiceField(
        choices=Scope.choices,
        required=False,
        allow_empty=False,
        help_text="What the token may be used for; all that the person may do when left out.",
    )


class TokenReply(serializers.Serializer):
    token = serializers.CharField(help_text="Send it as `Authorization: Token ...`; it is not shown again.")
    expiry = serializers.DateTimeField(allow_null=True)


class LoginApi(APIView):
    """A token for a person; what they did as a visitor counts for them from now on."""

    permission_classes = [AllowAny]
    rate_limit = "login"

    @extend_schema(request=Credentials, responses=TokenReply, tags=["login"])
    def post(self, request):
        credentials = Credentials(data=request.data)
        credentials.is_valid(raise_exception=True)
        sent = credentials.validated_data
        user = authenticate(request._request, username=sent["username"], password=sent["password"])
        if user is None:
            raise AuthenticationFailed("This name and password do not belong together.")
        instance, token = _token_for(user, scopes=sorted(sent.get("scopes", Scope.values)))
        user_logged_in.send(sender=user.__class__, request=request._request, user=user)
        return Response(TokenReply({"token": token, "expiry": instance.expiry}).data)


def _token_for(user: User, *, scopes: list[str]) -> tuple[PersonToken, str]:
    """A new token. Raises AuthenticationFailed when the password was changed since it was checked."""
    with transaction.atomic():
        unchanged = User.objects.select_for_update().filter(pk=user.pk, password=user.password)
        if unchanged.first() is None:
            raise AuthenticationFailed("The password has just been changed.")
        return PersonToken.objects.create(user, scopes=scopes)


class LogoutApi(APIView):
    """Ends the token that the request carries, or without one the session."""

    permission_classes = [IsAuthenticated]

    @extend_schema(request=None, responses={204: None}, tags=["login"])
    def post(self, request):
        token = TokenAuthentication().authenticate(request)
        if token is not None:
            token[1].delete()
        else:
            logout(request._request)
        return Response(status=204)
