"""A WSGI application that says hello."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    environ["wsgi.input"].read()
    return [b"hello"]
