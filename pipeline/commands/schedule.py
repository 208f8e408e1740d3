"""`python -m pipeline schedule`."""

import argparse

from pipeline.errors import EXIT_DONE, EXIT_FAILED

_EXAMPLE = """\
Scoring without a function app: the Azure ML workspace submits the published pipeline at set times. Each job
scores all readings of the data container, into a folder of the preds container that has the name of the job.
Such jobs claim nothing, and `runs` does not list them. The schedule keeps its published version until it is
created again.

Example:
  python -m pipeline schedule create --every 1h
  python -m pipeline schedule create --cron "0 5 * * *" --time-zone "W. Europe Standard Time"
  python -m pipeline schedule show
  python -m pipeline schedule remove

Exit codes: 0 done; 1 failed, or there is no schedule; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("action", choices=("create", "show", "remove"), metavar="create|show|remove")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--every", metavar="15m", help="a number and m, h, d or w")
    when.add_argument(
        "--cron", metavar="FIELDS", help="minute, hour, *, *, day of week: Azure ML ignores day and month"
    )
    parser.add_argument("--time-zone", default="UTC", help="Windows name of the time zone (default: UTC)")


def run(args: argparse.Namespace) -> int:
    """Create, show or remove the schedule."""
    from pipeline.commands.local_settings import open_context
    from pipeline.engines.azureml.engine import AzureMLEngine
    from pipeline.engines.azureml.schedule import Trigger
    from pipeline.published import publish

    if args.action == "create":
        trigger = Trigger(args.every, args.cron, args.time_zone)
    context = open_context()
    engine = AzureMLEngine.of(context.engine, "schedules")
    if args.action == "create":
        published = publish.current(context.store)
        engine.schedule(published, trigger)
        print(f"scheduled {trigger}: {published.version} scores all readings each time")
        return EXIT_DONE
    if args.action == "remove":
        print("removed the schedule" if engine.unschedule() else "there was no schedule")
        return EXIT_DONE
    if (found := engine.scheduled()) is None:
        print("there is no schedule")
        return EXIT_FAILED
    state = "" if found.enabled else ", switched off"
    print(f"{found.trigger}: {found.published}{state}")
    return EXIT_DONE
