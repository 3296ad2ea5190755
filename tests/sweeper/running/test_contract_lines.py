from sweeper.running.controls import contract_lines, contract_markdown

CONTRACT = {"lines": ["640 queries", "pools of 64"], "warnings": ["tied", "silent"], "facts": {}}


def test_warnings_of_the_data_stand_last_and_say_what_they_are() -> None:
    assert contract_lines(CONTRACT) == [
        "640 queries",
        "pools of 64",
        "warning: tied",
        "warning: silent",
    ]


def test_the_page_of_the_data_lists_its_warnings_or_none() -> None:
    page = "# Data contract\n\n```\n640 queries\npools of 64\n```\n\n## Warnings\n\n"
    assert contract_markdown(CONTRACT) == f"{page}- tied\n- silent\n"
    assert contract_markdown({**CONTRACT, "warnings": []}) == f"{page}None.\n"
