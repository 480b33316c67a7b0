"""docs/routes.md against the tables of routes."""

from proxy.dialects.route_page import route_page
from tests.docs.pages import page


def test_the_page_is_what_the_code_says() -> None:
    assert page("routes.md") == route_page(), "run `make docs`"
