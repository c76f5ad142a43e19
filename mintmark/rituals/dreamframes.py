"""Frames of a run: laid out when it starts, closed when each of their cases has its result."""

from mintmark.experiments import perturbations
from mintmark.experiments.perturbations import FrameContext
from mintmark.textchecks import assertions

from .definitions import RitualDefinition
from .models import CaseRun, Dreamframe, RitualRun


def create_frames(*, run: RitualRun, definition: RitualDefinition) -> None:
    """Write the run's frames, and a row for each case in each of them."""
    frame_list = perturbations.build_frames(
        seed=run.seed,
        perturbed=run.perturbed,
        temperature=definition.temperature,
        variations=definition.variations,
    )
    Dreamframe.objects.bulk_create(
        [Dreamframe(run=run, number=frame.number, context=frame.as_json()) for frame in frame_list]
    )
    CaseRun.objects.bulk_create(
        [
            CaseRun(run=run, frame=frame.number, number=number, case_id=case.id, weight=case.weight)
            for frame in frame_list
            for number, case in enumerate(definition.cases)
        ],
        batch_size=500,
    )


def load_frames(*, run: RitualRun) -> dict[int, FrameContext]:
    """The context of each frame of a run, as it was laid out."""
    return {frame.number: perturbations.from_json(frame.context) for frame in run.frames.all()}


def score_if_complete(*, frame: Dreamframe) -> list[CaseRun] | None:
    """Score a frame whose cases all have their result, and return them; None where one has not."""
    case_runs = CaseRun.objects.filter(run=frame.run_id, frame=frame.number)
    if case_runs.exclude(state=CaseRun.State.DONE).exists():
        return None
    rows = list(case_runs.order_by("number"))
    frame.score = assertions.weighted_mean(
        [row.score or 0.0 for row in rows], [row.weight for row in rows]
    )
    Dreamframe.objects.filter(pk=frame.pk).update(score=frame.score)
    return rows
