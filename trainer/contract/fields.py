"""What all parts of a spec share: strictness, and bounds that NaN breaks."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]


class Spec(BaseModel):
    """Unknown keys are errors, `1` is not True, NaN breaks every bound, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
