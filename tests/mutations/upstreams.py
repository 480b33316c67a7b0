"""Edits of where calls go, with what key, and by what way."""

from typing import Final

from tests.mutations.mutation import Mutation

AZURE: Final = "tests/e2e/upstreams/test_azure.py"
KEYS: Final = "tests/e2e/upstreams/test_keys.py"
NETWORK: Final = "tests/e2e/upstreams/test_network.py"
DIAL: Final = "tests/gateway/upstream/test_dial.py"
CREDENTIALS: Final = "tests/gateway/upstream/test_secrets.py"

OF_UPSTREAMS: Final = (
    Mutation(
        "believe the body where the path names a deployment",
        "proxy/gateway/hearing/named.py",
        "    if named_in(body) == name:\n",
        "    if named_in(body) is not None:\n",
        (f"{AZURE}::test_the_deployment_of_the_path_decides_whatever_the_body_says[model2]",),
    ),
    Mutation(
        "price a deployment by its name",
        "proxy/gateway/hearing/named.py",
        "replace(request, model=model, deployment=known)",
        "replace(request, deployment=known)",
        (
            f"{AZURE}::test_plain_callers_are_sent_to_the_first_deployment_of_their_model[small-small]",
            f"{AZURE}::test_responses_have_their_deployment_in_the_body",
        ),
    ),
    Mutation(
        "swap to a model that has no deployment",
        "proxy/gateway/routes.py",
        "route.deployments and model not in route.deployments.values()",
        "False",
        (
            f"{AZURE}::test_a_stand_in_is_called_by_its_deployment",
            "tests/gateway/test_routes.py::test_nothing_stands_in_without_a_deployment",
        ),
    ),
    Mutation(
        "pass a key of Azure's on to others",
        "proxy/gateway/identify.py",
        "(secret for name, secret in theirs if name != AZURE_KEY)",
        "(secret for name, secret in theirs)",
        (
            f"{AZURE}::test_a_key_of_azures_is_passed_on_to_nobody_else",
            "tests/gateway/test_identify.py::test_a_key_of_azures_is_foreign_and_told_apart_from_others",
        ),
    ),
    Mutation(
        "give back the hold of a prompt that Azure read and refused",
        "proxy/gateway/ending.py",
        "ending.status == REQUEST_TIMEOUT or ending.is_filtered",
        "ending.status == REQUEST_TIMEOUT",
        (
            f"{AZURE}::test_its_content_filter_is_paid_for",
            "tests/gateway/test_ending.py::test_a_model_that_shows_all_its_output_is_settled_by_the_table",
        ),
    ),
    Mutation(
        "run a command for each call that needs its word",
        "proxy/gateway/upstream/secrets.py",
        "if self._run is None or self._run.done():",
        "if True:",
        (f"{CREDENTIALS}::test_calls_that_need_it_meanwhile_wait_for_the_same_run",),
    ),
    Mutation(
        "keep a key that the upstream refused",
        "proxy/gateway/upstream/secrets.py",
        "            self._until_ns = 0\n",
        "",
        (
            f"{CREDENTIALS}::test_a_refused_secret_is_asked_for_anew_once",
            f"{KEYS}::test_a_command_is_asked_anew_when_its_word_is_refused",
        ),
    ),
    Mutation(
        "tell an upstream in a tunnel what the proxy wants to hear",
        "proxy/gateway/upstream/dial.py",
        'self._proxy.authorization if self._proxy is not None and self._tls is None else ""',
        'self._proxy.authorization if self._proxy is not None else ""',
        (f"{DIAL}::test_a_tunnel_leads_through_a_proxy[me:secret!@]",),
    ),
    Mutation(
        "say of an upstream with too many calls that it cannot be reached",
        "proxy/gateway/upstream/pool.py",
        "            raise NoRoom from None\n",
        '            raise NotSent("there is no room") from None\n',
        (
            "tests/gateway/upstream/test_pool.py::test_who_finds_no_room_waits_no_longer_than_for_a_connection",
            "tests/e2e/upstreams/test_crowd.py::test_a_call_that_finds_none_gives_its_hold_back",
        ),
    ),
)
