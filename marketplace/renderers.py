"""How replies are written."""

from rest_framework.renderers import JSONRenderer


class TolerantJSONRenderer(JSONRenderer):
    """JSON in UTF-8; escaped where an error quotes a lone surrogate, which UTF-8 cannot hold."""

    def render(self, data, accepted_media_type=None, renderer_context=None) -> bytes:
        try:
            return super().render(data, accepted_media_type, renderer_context)
        except UnicodeEncodeError:
            self.ensure_ascii = True
            return super().render(data, accepted_media_type, renderer_context)
