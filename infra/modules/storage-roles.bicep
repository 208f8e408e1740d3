// Who may do what with the blobs. docs/operations.md lists each assignment with its reason.
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
param appPrincipalId string
param clusterPrincipalId string
param deployerPrincipalId string
param deployerPrincipalType string
param containers fleetContainers
param host hostContainers

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'

// What the app's identity and the cluster's may do, container by container; they have no other rights in the account.
var grants = [
  {
    assignment: 'appHoldsLeases'
    container: host.leases
    principalId: appPrincipalId
    role: blobDataOwner
  }
  {
    assignment: 'appKeepsKeys'
    container: host.keys
    principalId: appPrincipalId
    role: blobDataOwner
  }
  {
    assignment: 'appReplacesPackage'
    container: host.package
    principalId: appPrincipalId
    role: blobDataContributor
  }
  {
    assignment: 'appWatchesData'
    container: containers.data
    principalId: appPrincipalId
    role: blobDataOwner
  }
  {
    assignment: 'appListsModels'
    container: containers.models
    principalId: appPrincipalId
    role: blobDataReader
  }
  {
    assignment: 'appWatchesPreds'
    container: containers.preds
    principalId: appPrincipalId
    role: blobDataOwner
  }
  {
    assignment: 'appWritesRuns'
    container: containers.runs
    principalId: appPrincipalId
    role: blobDataContributor
  }
  {
    assignment: 'clusterReadsData'
    container: containers.data
    principalId: clusterPrincipalId
    role: blobDataReader
  }
  {
    assignment: 'clusterReadsModels'
    container: containers.models
    principalId: clusterPrincipalId
    role: blobDataReader
  }
  {
    assignment: 'clusterReadsRuns'
    container: containers.runs
    principalId: clusterPrincipalId
    role: blobDataReader
  }
  {
    assignment: 'clusterWritesPreds'
    container: containers.preds
    principalId: clusterPrincipalId
    role: blobDataContributor
  }
]

resource account 'Microsoft.Storage/storageAccounts@2026-06-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2026-06-01' existing = {
  parent: account
  name: 'default'
}

resource granted 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-06-01' existing = [
  for grant in grants: {
    parent: blobs
    name: grant.container
  }
]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (grant, index) in grants: {
    name: guid(granted[index].id, grant.principalId, grant.role)
    scope: granted[index]
    properties: {
      description: grant.assignment
      principalId: grant.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.role)
    }
  }
]

// The blob trigger's work queue, named after the host, and its poison queue: the host creates both.
resource appQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appPrincipalId, queueDataContributor)
  scope: account
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
  }
}

// The deploying user uploads models and readings, publishes, and reads predictions.
resource deployerBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  name: guid(account.id, deployerPrincipalId, blobDataContributor)
  scope: account
  properties: {
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}
