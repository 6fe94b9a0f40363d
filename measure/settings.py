"""The sections [steps], [sampler] and [checks] of experiments.toml: what is done, sampled and counts."""

from typing import Annotated

from pydantic import Field

from testbed.section import Limit, Seconds, Section, Share


class StepSettings(Section):
    before_alpha_s: Seconds
    before_recording_s: Seconds
    before_request_s: Seconds
    after_response_s: Seconds


class SamplerSettings(Section):
    interval_s: Annotated[float, Field(ge=0.01, le=60)]


class CheckSettings(Section):
    swapped_out_mib: Annotated[float, Field(ge=0, le=1_000_000)]
    sampler_late_s: Limit
    clock_jump_s: Limit
    steal_share: Share
    others_share: Share

    def beside(self, guests: int) -> "CheckSettings":
        """As they are where so many guests run at a time: then others may take all of the host, which is told."""
        return self.model_copy(update={"others_share": 1.0}) if guests > 1 else self
