"""JSON rendering of responses, for browsers too."""

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer


class _AsciiJSONRenderer(JSONRenderer):
    ensure_ascii = True


class TolerantJSONRenderer(JSONRenderer):
    """JSON in UTF-8, or in ASCII when an error quotes a lone surrogate, which UTF-8 cannot encode."""

    def render(self, data, accepted_media_type=None, renderer_context=None) -> bytes:
        try:
            return super().render(data, accepted_media_type, renderer_context)
        except UnicodeEncodeError:
            return _AsciiJSONRenderer().render(data, accepted_media_type, renderer_context)


class BrowserNegotiation(DefaultContentNegotiation):
    """Answers JSON to whoever asks for a page alone: a browser shows it."""

    def select_renderer(self, request, renderers, format_suffix=None):
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable:
            if not any("text/html" in accepted for accepted in self.get_accept_list(request)):
                raise
            return renderers[0], renderers[0].media_type
