from tests.ledger.contract.budgets import test_templates as asked
from tests.ledger.cycles.contract.borrowed import NOT_TOLD, REASONS, borrow

EXCEPTIONS = {
    NOT_TOLD: (
        "test_an_exact_line_wins_over_a_template_of_its_period",
        "test_a_wildcard_stands_for_any_value_of_any_level",
        "test_templates_of_other_periods_and_units_make_budgets_beside_each_other",
        "test_each_run_has_a_budget_of_its_own",
        "test_a_run_comes_right_after_its_scope",
    ),
    REASONS: (
        "test_templates_make_no_more_than_they_may",
        "test_a_money_refusal_comes_before_the_limit_of_templates",
        "test_runs_count_among_the_budgets_that_templates_make",
    ),
}

globals().update(borrow(asked, EXCEPTIONS))
