"""Run by an interpreter that has mlflow, never imported: seconds of each call, a line of JSON for each line it is told.

`load`: load_prompt past its cache and from it. `report`: log_feedback, and log_metric with synchronous=False.
"""

import json
import sys
import time
from collections.abc import Callable

import mlflow  # type: ignore[import-not-found]
from mlflow.entities import AssessmentSource, AssessmentSourceType  # type: ignore[import-not-found]

NAME = "bench-summary"


def timed(call: Callable[[int], object], *, calls: int) -> list[float]:
    """Seconds of each call, after ten to warm up."""
    found = []
    for n in range(calls + 10):
        begun = time.perf_counter()
        call(n)
        found.append(time.perf_counter() - begun)
    return found[10:]


def load(*, calls: int) -> dict[str, list[float]]:
    """The prompt is registered if it is not there yet."""
    uri = f"prompts:/{NAME}@production"
    if mlflow.genai.load_prompt(f"prompts:/{NAME}@latest", allow_missing=True) is None:
        made = mlflow.genai.register_prompt(name=NAME, template="Sum up {{text}} with care.")
        mlflow.genai.set_prompt_alias(name=NAME, alias="production", version=made.version)
    return {
        "uncached": timed(
            lambda n: mlflow.genai.load_prompt(uri, cache_ttl_seconds=0), calls=calls
        ),
        "cached": timed(lambda n: mlflow.genai.load_prompt(uri), calls=10 * calls),
    }


def report(*, calls: int) -> dict[str, list[float]]:
    """What the caller's thread is held up for."""
    mlflow.set_experiment("bench")
    with mlflow.start_span("answer") as span:
        trace = span.trace_id
    mlflow.flush_trace_async_logging()
    source = AssessmentSource(source_type=AssessmentSourceType.CODE, source_id="bench")
    with mlflow.start_run():
        later = timed(
            lambda n: mlflow.log_metric("score", 0.5, step=n, synchronous=False), calls=10 * calls
        )
        mlflow.flush_async_logging()
    return {
        "log_feedback": timed(
            lambda n: mlflow.log_feedback(trace_id=trace, name="score", value=0.5, source=source),
            calls=calls,
        ),
        "log_metric": later,
    }


mlflow.set_tracking_uri(sys.argv[2])
measure = {"load": load, "report": report}[sys.argv[1]]
# Once for its first imports and tables; then a round for each line.
measure(calls=1)
for _ in sys.stdin:
    print(json.dumps(measure(calls=int(sys.argv[3]))), flush=True)
