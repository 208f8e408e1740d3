"""Each kind of broken app has a folder; the host reports the error in one line and exits."""

import pytest

from dev.host.process import HostProcess

ERRORS = {
    "connection_missing": "error: on_blob: no connection string NoSuchStorage: set it in local.settings.json",
    "import_fails": "ModuleNotFoundError: No module named 'no_such_package'",
    "no_app": "ValueError: Could not find top level function app instances in function_app.py.",
    "no_function_app": "error: no function_app.py in ",
    "no_functions": "error: no functions in ",
    "no_host_json": "error: no host.json in ",
    "other_trigger": "error: work: this host supports only timer and blob triggers, not queueTrigger",
    "path_without_name": "error: on_blob: path 'data' should be container/pattern, such as 'data/{name}'",
    "setting_missing": "error: tick: '%NO_SUCH_SETTING%' does not resolve to a value: set NO_SUCH_SETTING",
    "time_span_schedule": "error: tick: schedule '00:05:00': it is a time span",
    "wants_content": "error: on_blob: this host passes blobs as BlobClient",
    "wrong_parameter": "the following parameters are declared in Python but not in the function definition",
    "wrong_schedule": "error: tick: schedule '0 0 0 30 2 *': its day never comes",
}


@pytest.mark.parametrize("app", sorted(ERRORS))
def test_a_broken_app_is_refused_in_one_line(app, azurite, broken_apps):
    with HostProcess(broken_apps / app, {"AzureWebJobsStorage": azurite.connection_string}) as host:
        assert host.wait() == 1
    assert ERRORS[app] in host.lines[-1]
    assert host.lines[-1].startswith("error: ")


def test_each_broken_app_has_an_expected_error(broken_apps):
    assert sorted(folder.name for folder in broken_apps.iterdir() if folder.is_dir()) == sorted(ERRORS)
