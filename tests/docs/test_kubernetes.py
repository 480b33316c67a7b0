"""docs/kubernetes.md: what people copy works."""

import re
from typing import Any, NamedTuple

import pytest
import yaml

from proxy.config.checks import warnings
from proxy.config.load import parse
from proxy.config.model import Config
from proxy.gateway.runtime.admin import ALIVE_PATHS, READY_PATHS
from tests.docs.pages import ROOT, blocks, page, read
from tests.docs.test_operating import event_of, log_lines

TEXT = page("kubernetes.md")
Object = dict[str, Any]
ENV = {"OPENAI_API_KEY": "secret", "RESEARCH_KEY_SHA256": "0" * 64}


def manifests() -> list[list[Object]]:
    return [list(yaml.safe_load_all(block)) for block in blocks(TEXT, "yaml")]


def objects(kind: str) -> list[Object]:
    return [each for manifest in manifests() for each in manifest if each["kind"] == kind]


def config_of(config_map: Object) -> Config:
    return parse(config_map["data"]["config.yaml"], file="config.yaml", env=ENV)


class Proxy(NamedTuple):
    """A pod, the container of its proxy, and what that is configured with."""

    pod: Object
    container: Object
    config: Config


def proxies() -> list[Proxy]:
    configs = {each["metadata"]["name"]: config_of(each) for each in objects("ConfigMap")}
    found = []
    for workload in objects("StatefulSet"):
        pod = workload["spec"]["template"]["spec"]
        containers = [*pod.get("initContainers", ()), *pod["containers"]]
        (container,) = (each for each in containers if each["name"] == "spendgate")
        (volume,) = (each for each in pod["volumes"] if each["name"] == "config")
        found.append(Proxy(pod, container, configs[volume["configMap"]["name"]]))
    return found


each_proxy = pytest.mark.parametrize("proxy", proxies(), ids=["sidecar", "shared"])


def test_there_are_two_ways_and_each_runs_one_replica() -> None:
    """Two replicas are two ledgers, and so two budgets."""
    assert [each["spec"]["replicas"] for each in objects("StatefulSet")] == [1, 1]


@pytest.mark.parametrize("config_map", objects("ConfigMap"), ids=lambda each: str(each["metadata"]))
def test_a_configuration_loads_without_a_warning(config_map: Object) -> None:
    assert warnings(config_of(config_map)) == []


@each_proxy
def test_probes_reach_health(proxy: Proxy) -> None:
    admin = proxy.config.listen.admin
    ports = {each["name"]: each["containerPort"] for each in proxy.container["ports"]}
    probes = {name: each for name, each in proxy.container.items() if name.endswith("Probe")}
    assert admin.host == "0.0.0.0", "a kubelet probes the address of the pod"
    assert {"livenessProbe", "readinessProbe"} <= probes.keys()
    for name, probe in probes.items():
        paths = ALIVE_PATHS if name == "livenessProbe" else READY_PATHS
        assert probe["httpGet"]["path"] in paths
        assert ports[probe["httpGet"]["port"]] == admin.port


@each_proxy
def test_the_ledger_lies_on_the_volume(proxy: Proxy) -> None:
    mounts = {each["name"]: each["mountPath"] for each in proxy.container["volumeMounts"]}
    dockerfile = read(ROOT / "Dockerfile")
    assert proxy.config.ledger.url.startswith(f"sqlite:///{mounts['ledger']}/")
    assert f"VOLUME {mounts['ledger']}\n" in dockerfile
    assert f"{mounts['config']}/config.yaml" in dockerfile


@each_proxy
def test_there_is_time_to_drain(proxy: Proxy) -> None:
    grace_ms = proxy.pod["terminationGracePeriodSeconds"] * 1000
    assert grace_ms >= proxy.config.shutdown_ms + 5_000


@each_proxy
def test_it_runs_with_no_more_rights_than_it_needs(proxy: Proxy) -> None:
    rights = proxy.container["securityContext"]
    assert rights["runAsNonRoot"]
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert f"USER {proxy.pod['securityContext']['fsGroup']}:" in read(ROOT / "Dockerfile")


def test_the_sidecar_is_a_native_one_and_only_it_has_the_key() -> None:
    (pod, container, config), _ = proxies()
    (agent,) = pod["containers"]
    base_url = {each["name"]: each["value"] for each in agent["env"]}["OPENAI_BASE_URL"]
    assert container in pod["initContainers"]
    assert container["restartPolicy"] == "Always"
    assert base_url == f"http://{config.listen.proxy}/v1"
    assert "envFrom" in container
    assert "envFrom" not in agent


def test_variables_of_the_image_are_those_that_its_configuration_reads() -> None:
    (run,) = (block for block in blocks(TEXT, "sh") if "docker run" in block)
    passed = set(re.findall(r"-e ([A-Z_]+)", run))
    assert passed <= set(re.findall(r"\$\{([A-Z_]+)", read(ROOT / "deploy/image/config.yaml")))


def test_the_event_that_the_page_names_is_written() -> None:
    assert "kubernetes_sqlite" in {event_of(line) for line in log_lines()}
    assert "`kubernetes_sqlite`" in TEXT
