"""Frames of a run: laid out when it starts, closed when each of their cases has its result."""

from mintmark.core import assertions, perturbations
from mintmark.core.perturbations import Frame

from .definitions import Definition
from .models import CaseRun, Dreamframe, RitualRun


def lay_out(*, run: RitualRun, definition: Definition) -> None:
    """Write the run's frames, and a row for each case in each of them."""
    frames = perturbations.frames(
        seed=run.seed,
        perturbed=run.perturbed,
        temperature=definition.temperature,
        varied=definition.varied,
    )
    Dreamframe.objects.bulk_create(
        [Dreamframe(run=run, number=frame.number, context=frame.as_json()) for frame in frames]
    )
    CaseRun.objects.bulk_create(
        [
            CaseRun(run=run, frame=frame.number, number=number, case_id=case.id, weight=case.weight)
            for frame in frames
            for number, case in enumerate(definition.cases)
        ],
        batch_size=500,
    )


def contexts(*, run: RitualRun) -> dict[int, Frame]:
    """The context of each frame of a run, as it was laid out."""
    return {frame.number: perturbations.from_json(frame.context) for frame in run.frames.all()}


def close(*, frame: Dreamframe) -> list[CaseRun] | None:
    """Score a frame whose cases all have their result, and return them; None where one has not."""
    mine = CaseRun.objects.filter(run=frame.run_id, frame=frame.number)
    if mine.exclude(state=CaseRun.State.DONE).exists():
        return None
    rows = list(mine.order_by("number"))
    frame.score = assertions.mean([row.score or 0.0 for row in rows], [row.weight for row in rows])
    Dreamframe.objects.filter(pk=frame.pk).update(score=frame.score)
    return rows
