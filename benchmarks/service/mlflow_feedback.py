"""Run by an interpreter that has mlflow, never imported: log_feedback in a loop on the store named, calls a second."""

import sys
import time

import mlflow  # type: ignore[import-not-found]
from mlflow.entities import AssessmentSource, AssessmentSourceType  # type: ignore[import-not-found]


def rate(*, store: str, seconds: float) -> float:
    """Calls of log_feedback a second on one trace, after ten to warm up."""
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("bench")
    with mlflow.start_span("answer") as span:
        trace = span.trace_id
    mlflow.flush_trace_async_logging()
    source = AssessmentSource(source_type=AssessmentSourceType.CODE, source_id="bench")

    def log(n: int) -> None:
        mlflow.log_feedback(trace_id=trace, name=f"score-{n % 10}", value=0.5, source=source)

    for n in range(10):
        log(n)
    begun, done = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        log(done)
        done += 1
    return done / (time.monotonic() - begun)


print(rate(store=sys.argv[1], seconds=float(sys.argv[2])))
