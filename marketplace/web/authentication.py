"""Authentication of requests by session, visitor cookie, token or service key. Sets request.caller."""

from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from knox.auth import TokenAuthentication
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission

from listings.callers import STAFF_PERMISSIONS, Caller
from listings.models import Actor
from marketplace.models import PersonToken, Scope, ServiceKey, StaffAccess
from recommendations.core.acting_for import accessed_by_staff

PERSON = frozenset({Scope.FEED, Scope.EVENTS, Scope.CATALOGUE})
STAFF = PERSON | {Scope.STAFF}
VISITOR = frozenset({Scope.FEED, Scope.EVENTS})
KEYWORD = "Api-Key"
_NEW_PASSWORD = "has_new_password"  # attribute of a user who is being saved


class Nobody(BasePermission):
    """Default permission: refuses everyone, so that each view has to declare its own."""

    message = "Nobody may do this."

    def has_permission(self, request, view) -> bool:
        return False


class CallerAuthentication(BaseAuthentication):
    """Sets a Caller on every request, also anonymous ones. Views check the Caller, not Django's user."""

    def authenticate(self, request):
        user, caller = self._identify(request)
        request._request.caller = caller
        # A service is authenticated without a user, so that a missing scope is a 403, not a 401.
        return (user, caller) if user or caller.is_service else None

    def authenticate_header(self, request) -> str:
        return KEYWORD

    def _identify(self, request):
        if (key := _service_key(request)) is not None:
            caller = Caller(source=f"service:{key.name}", scopes=frozenset(key.scopes), is_service=True)
            return AnonymousUser(), caller
        token_or_session = TokenAuthentication().authenticate(
            request
        ) or SessionAuthentication().authenticate(request)
        if token_or_session is None:
            return None, _visitor(request)
        user, token = token_or_session
        if token is not None:
            token.note_use(timezone.now())
        return user, person(user, token)


def person(user, token: PersonToken | None = None) -> Caller:
    """The Caller of a Django user, limited to the scopes of a token. Creates the actor when missing.

    What staff may do beyond other people is what Django's permissions say.
    """
    actor = actor_of(user)
    own = STAFF if user.is_staff else PERSON
    scopes = own if token is None else own.intersection(token.scopes)
    source = f"actor:{actor.external_id}"
    granted = [name for name in STAFF_PERMISSIONS if Scope.STAFF in scopes and user.has_perm(name)]
    return Caller(source=source, scopes=scopes, actor=actor, permissions=frozenset(granted))


def actor_of(user) -> Actor:
    """The actor of a Django user, created when missing."""
    # A random id cannot collide with the external ids that services choose.
    return Actor.objects.get_or_create(user=user, defaults={"external_id": f"account-{uuid4().hex}"})[0]


def _service_key(request) -> ServiceKey | None:
    header = get_authorization_header(request)
    if not header.isascii():
        raise AuthenticationFailed("The Authorization header is not plain text.")
    keyword, _, secret = header.decode().partition(" ")
    if keyword.lower() != KEYWORD.lower():
        if keyword and keyword.lower() != "token":
            raise AuthenticationFailed(
                "Authorization is 'Token ...' for persons or 'Api-Key ...' for services."
            )
        return None
    now = timezone.now()
    key = ServiceKey.known_by(secret.strip(), now=now)
    if key is None:
        raise AuthenticationFailed("This service key is not known, was revoked or has expired.")
    key.note_use(now)
    return key


def _visitor(request) -> Caller:
    """The visitor of the signed cookie, else a new one. A visitor merged into a member gets a new id."""
    visitor_id = _cookie(request)
    actor = visitor_id and Actor.objects.filter(external_id=visitor_id).first()
    if not visitor_id or (actor and actor.merged_into_id):
        visitor_id, actor = Actor.new_visitor_id(), None
    return Caller(source=f"actor:{visitor_id}", scopes=VISITOR, actor=actor or None, visitor_id=visitor_id)


def _cookie(request) -> str | None:
    return request.get_signed_cookie(
        settings.VISITOR_COOKIE, default=None, max_age=settings.VISITOR_COOKIE_AGE_S
    )


class VisitorCookieMiddleware:
    """Sets the visitor cookie after the first event, which creates the visitor's actor."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest):
        response = self.get_response(request)
        caller = getattr(request, "caller", None)
        if caller and caller.visitor_id and caller.actor and _cookie(request) != caller.visitor_id:
            response.set_signed_cookie(
                settings.VISITOR_COOKIE,
                caller.visitor_id,
                max_age=settings.VISITOR_COOKIE_AGE_S,
                httponly=True,
                samesite="Lax",
                secure=request.is_secure(),
            )
        return response


@receiver(user_logged_in)
def merge_visitor(sender, request: HttpRequest | None, user, **_: object) -> None:
    """Merge the visitor of the cookie into the member who logs in."""
    if request is not None and (visitor_id := _cookie(request)):
        Actor.objects.filter(
            external_id=visitor_id, kind=Actor.Kind.VISITOR, merged_into__isnull=True
        ).update(merged_into=actor_of(user))


@receiver(pre_save, sender=User)
def see_new_password(
    sender, instance: User, update_fields: frozenset[str] | None = None, **_: object
) -> None:
    """Mark a user whose password changes, for end_tokens after the save."""
    # Django may rehash a password at login. That is no new password, and `_password` is None then.
    is_set = getattr(instance, "_password", None) is not None or not instance.has_usable_password()
    is_written = is_set and instance.pk is not None and (update_fields is None or "password" in update_fields)
    before = User.objects.filter(pk=instance.pk).exclude(password=instance.password)
    setattr(instance, _NEW_PASSWORD, is_written and before.exists())


@receiver(post_save, sender=User)
def end_tokens(sender, instance: User, **_: object) -> None:
    """Delete the user's tokens when the password changes. Django ends the sessions."""
    if getattr(instance, _NEW_PASSWORD):
        PersonToken.objects.filter(user=instance).delete()


@receiver(accessed_by_staff)
def note_staff_access(sender, by: str, actor: Actor, what: str, **_: object) -> None:
    """Log the access before the response. A failed write fails the request."""
    StaffAccess.objects.create(by=by, whose=actor, what=what)
