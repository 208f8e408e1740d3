// The topic that announces each new blob, in the region of the account, as Azure requires.
// The subscription to it is created after the app is deployed (infra/hooks/postdeploy.sh, event-subscription.bicep):
// the app must answer the handshake, and its address contains a key that the app creates.
type resourceTags = {
  'azd-env-name': string
}

param location string
param tags resourceTags
param suffix string
param storageName string

resource account 'Microsoft.Storage/storageAccounts@2026-06-01' existing = {
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
