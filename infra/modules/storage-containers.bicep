// The containers of the design, in a new or an existing account, and those of the host: its own, and the one that
// holds the app's package. The host would create its own; here they exist before roles are assigned on each.
type fleetContainers = {
  data: string
  models: string
  preds: string
  runs: string
}

type hostContainers = {
  leases: string
  keys: string
  package: string
}

param accountName string
param containers fleetContainers
param host hostContainers

var names = [
  containers.data
  containers.models
  containers.preds
  containers.runs
  host.leases
  host.keys
  host.package
]

resource account 'Microsoft.Storage/storageAccounts@2026-06-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2026-06-01' existing = {
  parent: account
  name: 'default'
}

resource created 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-06-01' = [
  for name in names: {
    parent: blobs
    name: name
    properties: { publicAccess: 'None' }
  }
]

output accountId string = account.id
output location string = account.location
