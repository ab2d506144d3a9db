"""Programs refuse to start in one line."""

import re

import pytest
import redis

from marketplace import entry
from tests.marketplace.programs import NOWHERE, SECRET, started


class TestStarting:
    """Each test starts a process, which ends with status 2 and one line."""

    @pytest.mark.parametrize(
        "command",
        [
            ["manage.py", "check"],
            ["manage.py", "migrate"],
            ["-m", "celery", "-A", "marketplace", "worker"],
            ["-m", "celery", "-A", "marketplace", "beat"],
        ],
        ids=lambda command: command[-1],
    )
    def test_programs_with_a_bad_variable_end_with_one_line(self, command):
        ended = started(*command, PORT="abc")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == 'PORT: found "abc"; accepted: a valid integer.\n'

    def test_gunicorn_ends_on_a_bad_variable_instead_of_restarting_its_workers(self):
        command = ["-m", "gunicorn", "marketplace.wsgi:application", "--bind", "127.0.0.1:0"]
        ended = started(*command, PORT="abc")
        assert ended.returncode == 3
        assert ended.stderr.count('PORT: found "abc"; accepted: a valid integer.') == 1
        assert "Traceback" not in ended.stderr

    def test_migrate_ends_with_one_line_when_the_database_cannot_be_reached(self):
        ended = started("manage.py", "migrate", DATABASE_URL=NOWHERE, REDIS_URL="redis://127.0.0.1:1")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert re.fullmatch(r"DATABASE_URL: the database cannot be reached: .+\n", ended.stderr)
        assert SECRET not in ended.stderr

    @pytest.mark.parametrize(
        ("command", "variables"),
        [
            (["manage.py", "check"], {}),
            (["manage.py", "migrate"], {}),
            (["manage.py", "migrate"], {"REDIS_URL": "redis://127.0.0.1:1"}),
            (["-m", "celery", "-A", "marketplace", "worker"], {}),
        ],
        ids=["check", "own servers", "another Redis", "celery"],
    )
    def test_programs_end_with_one_line_when_var_cannot_be_written(self, command, variables):
        ended = started(*command, VAR="/dev/null/var", **variables)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.count("\n") == 1
        assert "VAR" in ended.stderr
        assert "/dev/null/var" in ended.stderr

    def test_a_program_ends_with_one_line_when_redis_cannot_be_reached(self, capsys):
        with pytest.raises(SystemExit) as end, entry.plain_errors():
            redis.Redis.from_url("redis://127.0.0.1:1").ping()
        assert end.value.code == 2
        assert re.fullmatch(r"REDIS_URL: Redis cannot be reached: .+\n", capsys.readouterr().err)

    def test_a_programming_error_keeps_its_traceback(self):
        with pytest.raises(ZeroDivisionError), entry.plain_errors():
            print(1 / 0)

    @pytest.mark.parametrize("variable", ["IMAGE_BACKBONE", "IMAGE_WEIGHTS"])
    def test_embed_ends_with_one_line_when_the_backbone_cannot_be_used(
        self, variable, tmp_path, test_database
    ):
        weights = tmp_path / "broken.safetensors"
        weights.write_bytes(b"no weights")
        values = {"IMAGE_BACKBONE": "resnet5000", "IMAGE_WEIGHTS": str(weights)}
        chosen = {variable: values[variable]}
        ended = started("manage.py", "embed", "--no-wait", **chosen, **test_database)
        assert ended.returncode == 2
        value = "resnet5000" if variable == "IMAGE_BACKBONE" else weights.name
        assert re.fullmatch(rf"{variable}: found .*{value}.*; accepted: .+\.\n", ended.stderr), ended.stderr

    @pytest.fixture
    def test_database(self, transactional_db, settings) -> dict[str, str]:
        """Variables with which another process uses the database of this test."""
        database = settings.DATABASES["default"]
        address = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
        return {"DATABASE_URL": address, "REDIS_URL": settings.REDIS_URL}
