"""A real MLflow store on SQLite, made by MLflow itself."""

import json
import os
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

PROMPTS = ("greet", "chat", "blocks")


def write(path: Path) -> dict[str, str]:
    """Prompts with versions and aliases, and traces with feedback; the traces' ids by what they are about."""
    import mlflow
    from mlflow import MlflowClient

    address = f"sqlite:///{path}"
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(address)
    client = MlflowClient(tracking_uri=address, registry_uri=address)
    client.register_prompt(
        "greet", "Hello {{ name }}.", commit_message="first", tags={"lang": "en"}
    )
    client.register_prompt("greet", "Hi {{name}}, about {{topic}}.", commit_message="shorter")
    client.register_prompt(
        "chat", [{"role": "system", "content": "You are {{x}}."}, {"role": "user", "content": "Hi"}]
    )
    client.register_prompt("blocks", "a\n{% if x %}b{% endif %}")
    client.set_prompt_alias("greet", "production", 1)
    client.set_prompt_alias("greet", "Loud", 2)
    # Artifacts would go to the working directory.
    experiment = client.create_experiment(
        "support", artifact_location=str(path.parent / "artifacts")
    )
    traces = {}
    for name, value, source, version in (
        ("right", True, "HUMAN", 1),
        ("graded", 0.25, "LLM_JUDGE", 2),
        ("said", "yes", "CODE", 1),
        ("stars", 4, "HUMAN", 1),
        ("unlinked", True, "HUMAN", None),
    ):
        traces[name] = assessed(
            client, experiment, name=name, value=value, source=source, version=version
        )
    return traces  # fmt: skip


def assessed(
    client: Any, experiment: str, *, name: str, value: Any, source: str, version: int | None
) -> str:
    """A trace of `scout` with one feedback."""
    import mlflow
    from mlflow.entities import AssessmentSource

    span = client.start_trace("scout", experiment_id=experiment)
    client.end_trace(span.trace_id)
    mlflow.flush_trace_async_logging()
    if version is not None:
        linked = client.get_prompt_version("greet", str(version))
        client.link_prompt_versions_to_trace([linked], span.trace_id)
    mlflow.log_feedback(
        trace_id=span.trace_id,
        name=name,
        value=value,
        source=AssessmentSource(source_type=source, source_id="x"),
    )
    return str(json.loads(json.dumps(span.trace_id)))
