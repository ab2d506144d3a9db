"""JSON rendering of responses."""

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
