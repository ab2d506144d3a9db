"""Addresses of servers, as libpq, redis-py and Kombu read them."""

import ssl
from urllib.parse import parse_qsl, urlsplit

import pytest
import redis
from kombu.utils.url import parse_url
from psycopg.conninfo import conninfo_to_dict

from marketplace.celery import broker_address
from marketplace.configuration.addresses import database_or_refuse, redis_or_refuse


def database_of_broker(address: str) -> int:
    """The number of the database that Kombu uses: a virtual host, which sockets have as an option."""
    if address.startswith("redis+socket"):
        return int(dict(parse_qsl(urlsplit(address).query))["virtual_host"])
    return int((parse_url(address)["virtual_host"] or "0").strip("/"))


class TestDatabases:
    @pytest.mark.parametrize(
        ("url", "host", "port"),
        [
            ("postgresql://shop:secret@db:5433/shop", "db", "5433"),
            ("postgres://shop:secret@one:5432,two:5433/shop", "one,two", "5432,5433"),
            ("pgsql://shop:secret@one,two/shop?port=5433", "one,two", "5433"),
            ("postgresql://shop:secret@/shop?host=/run/postgresql", "/run/postgresql", ""),
            ("postgresql://shop:secret@%2Frun%2Fpostgresql/shop", "/run/postgresql", ""),
            ("postgresql://shop:secret@[::1]:5432/shop", "::1", "5432"),
        ],
    )
    def test_hosts_and_ports_are_those_of_libpq(self, url, host, port):
        settings = database_or_refuse(url)
        assert (settings["HOST"], settings["PORT"], settings["NAME"]) == (host, port, "shop")
        assert (settings["USER"], settings["PASSWORD"]) == ("shop", "secret")

    def test_options_of_libpq_are_passed_on(self):
        url = "postgresql://one,two/shop?target_session_attrs=read-write&sslmode=verify-full"
        assert database_or_refuse(url)["OPTIONS"] == {
            "target_session_attrs": "read-write",
            "sslmode": "verify-full",
        }
        assert conninfo_to_dict(url)["host"] == database_or_refuse(url)["HOST"]

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("postgresql://one:1,two:2,three/shop?port=1,2", "one port for all hosts"),
            ("postgresql://db:99999/shop", "ports are numbers"),
            ("postgresql://db:abc/shop", "ports are numbers"),
            ("postgresql://db/shop?sslmode=on", "sslmode is one of"),
            ("postgresql://db/shop?colour=red", "an address such as"),
            ("postgresql://db", "name of a database"),
            ("mysql://db/shop", "an address such as"),
            ("shop.db", "an address such as"),
        ],
    )
    def test_what_libpq_would_refuse_later_is_refused_at_start(self, url, reason):
        with pytest.raises(ValueError, match=reason):
            database_or_refuse(url)


class TestRedis:
    @pytest.mark.parametrize(
        ("url", "database"),
        [
            *(
                ("redis://host", 0),
                ("redis://host:6379/3", 3),
                ("redis://host/?db=2", 2),
                ("redis://host/1?db=2", 2),
            ),
            *(
                ("unix:///run/redis.sock?db=1", 1),
                ("unix:///run/redis.sock", 0),
                ("rediss://:p%40@host:6380/5", 5),
            ),
        ],
    )
    def test_web_processes_and_workers_use_the_same_database(self, url, database):
        address = redis_or_refuse(url)
        pool = redis.ConnectionPool.from_url(address)
        assert int(pool.connection_kwargs.get("db", 0)) == database
        assert database_of_broker(broker_address(address)) == database

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            *(("CERT_NONE", ssl.CERT_NONE), ("none", ssl.CERT_NONE), ("Optional", ssl.CERT_OPTIONAL)),
            ("CERT_REQUIRED", ssl.CERT_REQUIRED),
        ],
    )
    def test_both_read_how_certificates_are_checked(self, written, meant):
        address = redis_or_refuse(f"rediss://:p@host:6380/0?ssl_cert_reqs={written}&ssl_ca_certs=/etc/ca.pem")
        connection = redis.ConnectionPool.from_url(address).make_connection()
        assert connection.cert_reqs == meant
        assert parse_url(broker_address(address))["ssl"]["ssl_cert_reqs"] == meant

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            *(("redis://h/x", "database is a number"), ("redis://h/-1", "database is a number")),
            *(("unix:///s?db=x", "database is a number"), ("redis://h/0?timeout=5", "no other options")),
            *(("redis://h/0?ssl_cert_reqs=none", "no other options"), ("redis://a,b:6379/0", "begins with")),
            *(("rediss://h/0?ssl_cert_reqs=never", "is one of"), ("redis://h:port", "begins with")),
            ("http://h", "begins with"),
        ],
    )
    def test_what_either_would_refuse_or_read_otherwise_is_refused_at_start(self, url, reason):
        with pytest.raises(ValueError, match=reason):
            redis_or_refuse(url)
