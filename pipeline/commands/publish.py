"""`python -m pipeline publish`."""

import argparse
import sys
from typing import TYPE_CHECKING

from pipeline.errors import EXIT_DONE, PublishError
from scoring.printable import counted, printable

if TYPE_CHECKING:
    from pipeline.engines.azureml.engine import AzureMLEngine
    from pipeline.flow.context import Context

_EXAMPLE = """\
Publishes a pipeline with a step per model. For more than SCORING_MAX_STEPS models, it has a step per
processor of the engine (or SCORING_SHARDS steps), each for a share of the sensors.
Publishing the same content again changes nothing. A new model makes a new version; active runs finish with
the version that they started with.
If the published pipeline has a mapping, SCORING_MAPPING must be set: to a mapping, or to {} for none.

Example:
  python -m pipeline publish

Exit codes: 0 published; 1 failed; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="print the documents, change nothing")
    what.add_argument("--rollback", metavar="VERSION", help="use an earlier version for new runs")
    what.add_argument(
        "--setup",
        action="store_true",
        help="azureml: first create missing datastores and the cluster, and print the roles that it needs",
    )
    parser.add_argument(
        "--endpoint",
        action="store_true",
        help="azureml: also create a batch endpoint for external callers, whose calls are not idempotent",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Publish, and print the result in one line."""
    from pipeline.commands.local_settings import open_context
    from pipeline.published import publish
    from pipeline.terminal.tables import show_json

    context = open_context()
    if not args.rollback:
        _check_mapping(context, dry_run=args.dry_run)
    if args.dry_run:
        documents = publish.prepare(context.settings, publish.find_fleet(context.store), context.engine)
        _show_documents({"pipeline.yml": documents.pipeline_yml, "score.yml": documents.score_yml}, args.json)
        return EXIT_DONE
    azureml = _azureml(context) if args.setup or args.endpoint else None  # before anything is published
    lines, grants = _set_up(azureml) if azureml and args.setup else ([], [])
    notes: list[str] = []
    if args.rollback:
        published = publish.load(context.store, args.rollback)
        changed = publish.make_current(context.store, published)
    else:
        publication = publish.publish(context.store, context.settings, context.engine)
        published, changed, notes = publication.published, publication.changed, publication.fleet.notes
    answer = {"published": published.version, "steps": published.steps, "changed": changed}
    if args.setup:
        answer |= {"created": lines, "grants": grants}
    if azureml and args.endpoint:
        endpoint = azureml.roll_back(published.version) if args.rollback else azureml.deploy(published)
        answer["endpoint"] = endpoint
        lines.append(f"batch endpoint {endpoint}")
    if args.json:
        show_json(answer)
        return EXIT_DONE
    for line in lines:
        print(line)
    for line in notes:
        print(printable(line), file=sys.stderr)
    count = counted(published.steps, "step")
    news = "published" if changed else "already published, nothing changed"
    print(f"{published.version}: {news} ({count}, engine {published.engine})")
    if grants:
        print("Steps need these roles. Assigning them needs an Owner; assigned again they stay as they are:")
        print("\n".join(grants))
    return EXIT_DONE


def _check_mapping(context: "Context", *, dry_run: bool) -> None:
    """Refuse to drop the mapping that is published; a dry run drops nothing, so it only warns."""
    from pipeline.published.publish import dropped_mapping

    dropped = dropped_mapping(context.store, context.settings)
    if dropped and not dry_run:
        raise PublishError(dropped)
    if dropped:
        print(f"warning: {printable(dropped)}", file=sys.stderr)


def _set_up(azureml: "AzureMLEngine") -> tuple[list[str], list[str]]:
    """What was created, and the commands that give the cluster's identity its roles."""
    created = azureml.set_up()
    return created, azureml.grants()


def _show_documents(documents: dict[str, bytes], as_json: bool) -> None:
    from pipeline.terminal.tables import show_json

    if as_json:
        show_json({name: content.decode() for name, content in documents.items()})
        return
    for name, content in documents.items():
        print(f"# --- {name}\n{content.decode()}")


def _azureml(context: "Context") -> "AzureMLEngine":
    from pipeline.engines.azureml.engine import AzureMLEngine

    return AzureMLEngine.of(context.engine, "--setup and --endpoint")
