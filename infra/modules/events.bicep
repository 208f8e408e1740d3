// The topic that tells of every new blob. The subscription to it is made after deployment
// (infra/hooks/postdeploy): the app must answer the handshake, and its address holds a key that the app
// makes for itself, which no template should read.
param location string
param tags object
param suffix string
param storageName string

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-${suffix}'
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

output topicName string = topic.name
