#!/bin/sh
# After `azd deploy`: let blob events reach the app, publish the pipeline, say whether everything is reachable.
set -eu
cd "$(dirname "$0")/../.."

echo "Waiting for the app to make the key of its blob webhook ..."
tries=0
key=""
while [ -z "$key" ]; do
    key=$(az functionapp keys list --resource-group "$FUNCTION_APP_GROUP" --name "$FUNCTION_APP_NAME" \
        --query systemKeys.blobs_extension --output tsv 2>/dev/null || true)
    tries=$((tries + 1))
    if [ -z "$key" ]; then
        if [ "$tries" -ge 30 ]; then
            echo "error: the app made no blobs_extension key in five minutes; look at its logs, then run: azd hooks run postdeploy" >&2
            exit 1
        fi
        sleep 10
    fi
done

# The address holds the app's own key: it is handed to Event Grid and printed nowhere.
az eventgrid system-topic event-subscription create \
    --resource-group "$EVENT_TOPIC_GROUP" --system-topic-name "$EVENT_TOPIC_NAME" --name score-on-blob \
    --endpoint "https://$FUNCTION_APP_NAME.azurewebsites.net/runtime/webhooks/blobs?functionName=Host.Functions.score_on_blob&code=$key" \
    --endpoint-type webhook \
    --included-event-types Microsoft.Storage.BlobCreated \
    --subject-begins-with /blobServices/default/containers/data/ \
    --advanced-filter data.api StringIn PutBlob PutBlockList CopyBlob FlushWithClose \
    --output none
echo "Blob events reach $FUNCTION_APP_NAME."

make setup
. .venv/bin/activate
if said=$(python -m pipeline publish 2>&1); then
    echo "$said"
    python -m pipeline doctor
else
    echo "$said" >&2
    case "$said" in
    *"there are no models"*)
        echo "Nothing is published yet: upload models to the container models of $STORAGE_NAME, then run: python -m pipeline publish" >&2
        ;;
    *) exit 1 ;;
    esac
fi
