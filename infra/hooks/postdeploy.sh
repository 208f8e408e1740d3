#!/bin/sh
# After `azd deploy`: wait until the app runs, let blob events reach it, publish the pipeline, check everything.
set -eu
cd "$(dirname "$0")/../.."
umask 077
private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT

# azd deploys to the subscription of its environment; az has a default of its own.
azure() {
    az "$@" --subscription "$AZURE_SUBSCRIPTION_ID"
}

# Waits until the output of az matches a pattern, and prints it: `answer PATTERN ERROR COMMAND...`.
# Roles and keys take some minutes after a deployment, so this retries for five, then shows the last error.
answer() {
    wanted=$1 what=$2
    shift 2
    tries=0
    while :; do
        found=$(azure "$@" --output tsv 2>"$private/error") || found=""
        # shellcheck disable=SC2254 # it is a pattern
        case $found in
        $wanted)
            printf '%s\n' "$found"
            return
            ;;
        esac
        tries=$((tries + 1))
        if [ "$tries" -ge 30 ]; then
            echo "error: $what, after five minutes, in subscription $AZURE_SUBSCRIPTION_ID" >&2
            cat "$private/error" >&2
            return 1
        fi
        sleep 10
    done
}

if ! azure account show --query name --output tsv >"$private/name"; then
    echo "error: az cannot use subscription $AZURE_SUBSCRIPTION_ID (see above): az login, then azd hooks run postdeploy" >&2
    exit 1
fi
echo "Subscription: $(cat "$private/name") ($AZURE_SUBSCRIPTION_ID)"

echo "Waiting for $FUNCTION_APP_NAME to load its three functions ..."
if ! answer '*conclude_on_success*score_on_blob*score_on_timer*' "$FUNCTION_APP_NAME did not load its functions" \
    functionapp function list --resource-group "$FUNCTION_APP_GROUP" --name "$FUNCTION_APP_NAME" \
    --query "join(' ', sort([].name))" >/dev/null; then
    cat >&2 <<EXPLANATION
Python's error is in the log of the app's starts: in the portal, the function app $FUNCTION_APP_NAME, "Diagnose and solve
problems", "Function App Down or Reporting Errors"; and in Application Insights:
  az monitor app-insights query --subscription $AZURE_SUBSCRIPTION_ID --resource-group $FUNCTION_APP_GROUP \\
    --apps $APPLICATION_INSIGHTS_NAME --analytics-query 'union traces, exceptions | where timestamp > ago(1h)
    | where severityLevel >= 2 | project timestamp, message, outerMessage | order by timestamp desc'
When it is fixed: azd deploy
EXPLANATION
    exit 1
fi

echo "Waiting for the app to create the key of its blob webhook ..."
# A key is longer than the word None.
key=$(answer '????????*' "$FUNCTION_APP_NAME created no key named blobs_extension (see its log; then: azd hooks run postdeploy)" \
    functionapp keys list --resource-group "$FUNCTION_APP_GROUP" --name "$FUNCTION_APP_NAME" \
    --query systemKeys.blobs_extension)

# The address contains the key. Pass it in a file that only this user can read: all users can see command lines.
cat >"$private/parameters.json" <<PARAMETERS
{
  "\$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {
    "topicName": { "value": "$EVENT_TOPIC_NAME" },
    "dataContainer": { "value": "$SCORING_DATA_CONTAINER" },
    "predsContainer": { "value": "$SCORING_PREDS_CONTAINER" },
    "webhook": { "value": "https://$FUNCTION_APP_HOST/runtime/webhooks/blobs?code=$key&functionName=Host.Functions." }
  }
}
PARAMETERS
azure deployment group create --resource-group "$EVENT_TOPIC_GROUP" --name blob-events \
    --template-file infra/event-subscription.bicep --parameters "@$private/parameters.json" --output none
echo "Blob events reach $FUNCTION_APP_NAME."

make setup
. .venv/bin/activate
# Its settings, such as SCORING_MAPPING, come from azd's environment; those of the app are not read here.
if output=$(python -m pipeline publish 2>&1); then
    echo "$output"
    python -m pipeline doctor
else
    echo "$output" >&2
    case "$output" in
    *"there are no models"*)
        echo "Nothing is published yet: upload models to the container models of $STORAGE_NAME, then run: python -m pipeline publish" >&2
        ;;
    *) exit 1 ;;
    esac
fi
