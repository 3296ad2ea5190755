from pydantic import BaseModel, Field

from sweeper.descriptions import described_schema, descriptions


class Base(BaseModel):
    seed: int = 0  # of the draw


class Example(Base):
    """A model."""

    plain: int = 1
    behind: int = 2  # said behind it
    below: int = 3  # not this
    """Said
    below it."""
    long: tuple[
        int, ...  # said within it
    ] = (1, 2)
    given: int = Field(5, description="said by pydantic")  # not this either

    @property
    def double(self) -> int:
        """No field either."""
        return 2 * self.plain


def test_a_field_means_what_stands_below_it_or_else_behind_it() -> None:
    found = descriptions(Example)
    assert found.pop("given") == "not this either"
    assert found == {
        "seed": "of the draw",
        "behind": "said behind it",
        "below": "Said below it.",
        "long": "said within it",
    }


def test_the_schema_says_it_and_keeps_what_pydantic_knows() -> None:
    properties = described_schema(Example)["properties"]
    assert properties["given"]["description"] == "said by pydantic"
    assert properties["behind"] == {
        "default": 2,
        "description": "said behind it",
        "title": "Behind",
        "type": "integer",
    }
    assert "description" not in properties["plain"]
