"""docker-compose.yml and the Dockerfile agree with the demo. The files are only read, without Docker."""

import json
import re
import shlex
from pathlib import Path
from urllib.request import Request

import pytest
import yaml

from marketplace.configuration.environment import Environment
from marketplace.native_threads import COUNTS
from marketplace.servers.processes import PREPARATIONS, PROCESSES

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
SERVERS = {"postgres", "redis"}
BIND = "0.0.0.0:8000"
SETTINGS = {name.upper() for name in Environment.model_fields}


def is_one_shot(service: dict) -> bool:
    return service.get("restart") == "no"


def dockerfile(instruction: str) -> list[str]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    return re.findall(rf"^{instruction} +(.*)$", text, flags=re.MULTILINE)


class TestCommands:
    @pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
    def test_each_process_of_the_demo_is_a_compose_service_with_the_same_command(self, process):
        assert shlex.split(SERVICES[process.name]["command"]) == process.words(bind=BIND)

    @pytest.mark.parametrize("name", PREPARATIONS)
    def test_each_preparation_of_the_demo_is_a_one_shot_compose_service(self, name):
        assert SERVICES[name]["command"] == PREPARATIONS[name]
        assert is_one_shot(SERVICES[name])

    def test_compose_has_no_service_beyond_the_demos_processes_and_servers(self):
        assert set(SERVICES) == {process.name for process in PROCESSES} | set(PREPARATIONS) | SERVERS

    def test_the_images_default_command_is_the_web_process(self):
        web = next(process for process in PROCESSES if process.name == "web")
        assert json.loads(dockerfile("CMD")[-1]) == web.words(bind=BIND)


class TestEnvironment:
    @pytest.mark.parametrize("name", set(SERVICES) - SERVERS)
    def test_every_variable_that_compose_sets_is_a_setting(self, name):
        assert set(SERVICES[name]["environment"]) <= SETTINGS | set(COUNTS)

    @pytest.mark.parametrize("name", set(SERVICES) - SERVERS)
    def test_every_setting_can_be_passed_to_each_compose_service(self, name):
        given = SERVICES[name]["environment"]
        assert SETTINGS - set(given) == {"VAR", "PORT", "DEBUG"}  # the image sets the first two
        passed_on = {setting for setting in SETTINGS if f"${{{setting}:" in given.get(setting, "")}
        assert SETTINGS - passed_on == {"VAR", "PORT", "DEBUG", "DATABASE_URL", "REDIS_URL"}

    @pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
    def test_compose_services_have_the_native_threads_of_the_demo(self, process):
        given = SERVICES[process.name]["environment"]
        assert {name: given[name] for name in COUNTS if name in given} == dict(process.environment)

    def test_compose_requires_secrets_from_the_environment(self):
        assert SERVICES["web"]["environment"]["SECRET_KEY"].startswith("${SECRET_KEY:?")
        assert ":${POSTGRES_PASSWORD:?" in SERVICES["web"]["environment"]["DATABASE_URL"]
        assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")

    def test_defaults_that_compose_fills_in_are_valid_settings(self):
        filled = {
            name.lower(): re.sub(
                r"\$\{\w+:(?:-([^}]*)|\?[^}]*)\}", lambda m: "x" * 40 if m[1] is None else m[1], value
            )
            for name, value in SERVICES["web"]["environment"].items()
            if name in SETTINGS
        }
        Environment(**{name: value for name, value in filled.items() if value})


class TestHealthcheck:
    @pytest.mark.parametrize(
        "hosts", ["shop.example", ".shop.example", "*", "shop.example,127.0.0.1", "localhost,127.0.0.1"]
    )
    def test_the_web_healthcheck_uses_a_host_name_that_is_allowed(self, hosts, client, settings, monkeypatch):
        settings.ALLOWED_HOSTS = Environment(allowed_hosts=hosts).allowed_hosts
        replies = []

        def ask(request: Request, timeout: float) -> None:
            assert request.host == "127.0.0.1:8000"
            path = request.full_url.removeprefix("http://127.0.0.1:8000")
            replies.append(client.get(path, headers={"Host": request.get_header("Host")}).status_code)

        monkeypatch.setattr("urllib.request.urlopen", ask)
        monkeypatch.setenv("ALLOWED_HOSTS", hosts)
        kind, program, option, code = SERVICES["web"]["healthcheck"]["test"]
        assert (kind, program, option) == ("CMD", "python", "-c")
        exec(code, {})
        assert replies == [200]


class TestSafety:
    @pytest.mark.parametrize("name", SERVICES)
    def test_every_compose_service_has_a_healthcheck_or_ends_by_itself(self, name):
        assert is_one_shot(SERVICES[name]) or SERVICES[name]["healthcheck"]["test"]

    @pytest.mark.parametrize("name", SERVICES)
    def test_no_compose_service_runs_as_root(self, name):
        assert SERVICES[name]["user"] not in ("", "root", "0")

    def test_the_image_does_not_run_as_root(self):
        assert dockerfile("USER")[-1] not in ("root", "0")
        assert f"--uid {SERVICES['web']['user']}" in dockerfile("RUN")[-1]

    def test_only_the_web_service_publishes_a_port_and_only_to_this_host(self):
        assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
        assert all(port.startswith("127.0.0.1:") for port in SERVICES["web"]["ports"])

    @pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
    def test_every_process_waits_for_the_migrations(self, process):
        assert (
            SERVICES[process.name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        )

    def test_folders_that_services_write_are_volumes(self):
        mounted = {
            volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])
        }
        assert mounted == set(COMPOSE["volumes"]) == {"var", "pgdata", "redisdata"}
