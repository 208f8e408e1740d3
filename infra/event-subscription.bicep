// Lets blob events reach the app: blobs that were committed in the data container, and nothing else.
// infra/hooks/postdeploy.sh deploys it, when the app has made the key that its address holds.
param topicName string
param dataContainer string

@description('Address of the webhook of the blob trigger, with its key.')
@secure()
param endpoint string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'score-on-blob'
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: { endpointUrl: endpoint }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/${dataContainer}/'
      advancedFilters: [
        {
          operatorType: 'StringIn'
          key: 'data.api'
          values: ['PutBlob', 'PutBlockList', 'CopyBlob', 'FlushWithClose']
        }
      ]
    }
  }
}
