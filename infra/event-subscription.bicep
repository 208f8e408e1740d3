// Lets blob events reach the app: blobs that were committed in the data container, the ends of runs in the preds
// container, and nothing else. infra/hooks/postdeploy.sh deploys it, when the app has made the key that its address
// holds.
param topicName string
param dataContainer string
param predsContainer string

@description('Address of the webhook of the blob triggers, with its key; the name of a function completes it.')
@secure()
param webhook string

var created = ['Microsoft.Storage.BlobCreated']
var committed = [
  {
    operatorType: 'StringIn'
    key: 'data.api'
    values: ['PutBlob', 'PutBlockList', 'CopyBlob', 'FlushWithClose']
  }
]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource landings 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'score-on-blob'
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: { endpointUrl: '${webhook}score_on_blob' }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: created
      subjectBeginsWith: '/blobServices/default/containers/${dataContainer}/'
      advancedFilters: committed
    }
  }
}

resource ends 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'conclude-on-success'
  dependsOn: [landings] // a topic takes one change of its subscriptions at a time
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: { endpointUrl: '${webhook}conclude_on_success' }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: created
      subjectBeginsWith: '/blobServices/default/containers/${predsContainer}/'
      subjectEndsWith: '/_SUCCESS'
      advancedFilters: committed
    }
  }
}
