"""The product's WSGI application with one more address: the floor, behind the same middleware."""

from marketplace.wsgi import application as application  # first, since it sets Django up

# isort: split
from django.urls import path

from benchmarks.serving.floor import floor
from marketplace import urls

urls.urlpatterns.insert(0, path("floor/", floor))
