"""The REST endpoints: views parse, call one verb, and reply.

`feed` and `search` hold the views, beside their serializers. No query and no rule stands here.
"""
