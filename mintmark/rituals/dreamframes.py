"""The frames of a run: created when it starts, scored when each of their cases has its result."""

from mintmark.experiments import perturbations
from mintmark.experiments.perturbations import FrameContext
from mintmark.textchecks import assertions

from .definitions import RitualDefinition
from .models import CaseRun, Dreamframe, RitualRun


def create_frames(*, run: RitualRun, definition: RitualDefinition) -> None:
    """Create the run's frames, and a row for each case in each frame."""
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
    """The stored context of each frame of a run, by the frame's number."""
    return {frame.number: perturbations.from_json(frame.context) for frame in run.frames.all()}


def score_if_complete(*, frame: Dreamframe) -> list[CaseRun] | None:
    """Score a frame once all its cases have a result, and return their rows; None if a result is missing."""
    case_runs = CaseRun.objects.filter(run=frame.run_id, frame=frame.number)
    if case_runs.exclude(state=CaseRun.State.DONE).exists():
        return None
    rows = list(case_runs.order_by("number"))
    frame.score = assertions.weighted_mean(
        [row.score or 0.0 for row in rows], [row.weight for row in rows]
    )
    Dreamframe.objects.filter(pk=frame.pk).update(score=frame.score)
    return rows
