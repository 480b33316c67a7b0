"""What a stopped tenant may ask, each case in words."""

from contextlib import AbstractContextManager, nullcontext

import pytest

from proxy.domain.errors import Reason, Refused
from proxy.domain.reservation import OnExpiry
from proxy.ledger.records import TenantStatus
from proxy.ledger.rules import check_lasting, check_new


def refused_for(status: TenantStatus) -> AbstractContextManager[object]:
    return pytest.raises(Refused, match=f"tenant dev is {status.value.lower()}")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (TenantStatus.SUSPENDED, Reason.TENANT_SUSPENDED),
        (TenantStatus.CLOSED, Reason.TENANT_CLOSED),
    ],
)
def test_a_stopped_tenant_begins_nothing(status: TenantStatus, reason: Reason) -> None:
    with pytest.raises(Refused, match="dev") as refusal:
        check_new("dev", status)
    assert refusal.value.reason is reason
    assert str(refusal.value).endswith("Do not retry.")


def test_an_active_tenant_begins_what_it_likes() -> None:
    assert check_new("dev", TenantStatus.ACTIVE) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("status", TenantStatus)
@pytest.mark.parametrize("on_expiry", OnExpiry)
def test_only_a_closed_tenant_cannot_end_what_came_over_the_protocol(
    status: TenantStatus, on_expiry: OnExpiry
) -> None:
    is_stopped = status is TenantStatus.CLOSED and on_expiry is OnExpiry.RELEASE
    with refused_for(status) if is_stopped else nullcontext():
        check_lasting("dev", status, on_expiry)
