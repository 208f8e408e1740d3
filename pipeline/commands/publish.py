"""`python -m pipeline publish`."""

import argparse
import sys
from typing import TYPE_CHECKING

from pipeline.errors import EXIT_DONE

if TYPE_CHECKING:
    from pipeline.context import Context
    from pipeline.engines.azureml import AzureMLEngine

_EXAMPLE = """\
A step per model, or shards beyond SCORING_MAX_STEPS. Publishing what is there already changes nothing;
a new model makes a new version, and runs under way end with the version that they began with.

Example:
  python -m pipeline publish

Exit codes: 0 published; 1 failed; 2 wrong use or settings.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="print the documents, change nothing")
    what.add_argument("--rollback", metavar="VERSION", help="let new runs use an earlier version again")
    what.add_argument(
        "--setup", action="store_true", help="azureml: first create missing datastores and the cluster"
    )
    parser.add_argument(
        "--endpoint",
        action="store_true",
        help="azureml: also a batch endpoint for callers outside, whose calls are not idempotent",
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(args: argparse.Namespace) -> int:
    """Publish, and say in one line what came of it."""
    from pipeline import publish
    from pipeline.surroundings import open_context
    from pipeline.tables import show_json

    context = open_context()
    if args.dry_run:
        documents = publish.prepare(context.settings, publish.find_fleet(context.store))
        for name, content in (("pipeline.yml", documents.pipeline_yml), ("score.yml", documents.score_yml)):
            print(f"# --- {name}\n{content.decode()}")
        return EXIT_DONE
    if args.rollback:
        published = publish.load(context.store, args.rollback)
        changed = publish.make_current(context.store, published)
        more = [] if not args.endpoint else [_azureml(context).roll_back(args.rollback)]
        others: tuple[str, ...] = ()
    else:
        more = _azureml(context).set_up() if args.setup else []
        publication = publish.publish(context)
        published, changed, others = publication.published, publication.changed, publication.fleet.others
        if args.endpoint:
            more.append(f"batch endpoint {_azureml(context).deploy(published)}")
    if args.json:
        show_json({"published": published.version, "steps": published.steps, "changed": changed})
        return EXIT_DONE
    for line in more:
        print(line)
    if others:
        print(f"not models, left alone: {', '.join(others[:5])} ({len(others):,} in all)", file=sys.stderr)
    count = f"{published.steps:,} step{'' if published.steps == 1 else 's'}"
    news = "published" if changed else "already published, nothing changed"
    print(f"{published.version}: {news} ({count}, engine {published.engine})")
    return EXIT_DONE


def _azureml(context: "Context") -> "AzureMLEngine":
    from pipeline.engines.azureml import AzureMLEngine

    return AzureMLEngine.of(context, "--setup and --endpoint")
