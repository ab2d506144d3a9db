"""The REST endpoints of the catalogue.

`views` parse, call one verb and reply; `serializers` say what a body may hold, and `strict` refuses unknown
fields. No rule of the catalogue stands here.
"""
