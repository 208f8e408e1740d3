// All that `azd up` creates, and `azd down` removes: one resource group with storage, monitoring, an Azure ML
// workspace with a cluster that scales from zero, and a Flex Consumption function app. Identity everywhere:
// no account key, no connection string with a secret, no registry password.
targetScope = 'subscription'

@description('Name of the azd environment; every resource name is made from it.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Azure region. It must offer Flex Consumption and the chosen VM size.')
param location string

@description('Object id of the deploying user or identity, which gets the rights to upload and publish. Empty: only the app gets roles.')
param principalId string = ''

@description('Kind of principalId.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param principalType string = 'User'

@description('Storage account to use instead of a new one; it must be in existingStorageResourceGroup.')
param existingStorageName string = ''

@description('Resource group of the existing storage account.')
param existingStorageResourceGroup string = ''

@description('Azure ML workspace to use instead of a new one; it must be in existingWorkspaceResourceGroup.')
param existingWorkspaceName string = ''

@description('Resource group of the existing workspace.')
param existingWorkspaceResourceGroup string = ''

@description('Redundancy of the new storage account. Zones of one region by default; GZRS adds copies in another region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_RAGRS', 'Standard_GZRS', 'Standard_RAGZRS'])
param storageRedundancy string = 'Standard_ZRS'

@description('Size of a cluster node. Scoring is light: two cores are enough.')
param clusterVmSize string = 'Standard_D2ds_v4'

@description('Maximum number of nodes. The minimum is always zero.')
@minValue(1)
@maxValue(100)
param clusterMaxNodes int = 4

@description('LowPriority nodes cost a fraction and can be evicted; the sweep retries a run that lost its node.')
@allowed(['Dedicated', 'LowPriority'])
param clusterPriority string = 'Dedicated'

@description('Idle time after which a node is released, as an ISO 8601 duration.')
param clusterIdleTime string = 'PT5M'

@description('When the timer sweeps: NCRONTAB with seconds, UTC.')
param schedule string = '0 0 * * * *'

@description('Minutes without a finished sweep after which an alert is raised: three intervals of the schedule.')
@allowed([15, 30, 45, 60, 120, 180, 240, 300, 360, 1440, 2880])
param lateSweepMinutes int = 180

@description('Address that alerts are mailed to. Empty: alerts are shown in the portal only.')
param alertEmail string = ''

var tags = { 'azd-env-name': environmentName }
var suffix = toLower(uniqueString(subscription().id, environmentName, location))
var storageName = empty(existingStorageName) ? 'st${suffix}' : existingStorageName
var workspaceName = empty(existingWorkspaceName) ? 'mlw-${suffix}' : existingWorkspaceName
var clusterName = 'scoring'

// Names of the containers: the defaults of the app's settings; a test compares them.
var containers = {
  data: 'data'
  models: 'models'
  preds: 'preds'
  runs: 'runs'
}

// The Functions host names its own two; the third holds the app's package.
var hostContainers = {
  leases: 'azure-webjobs-hosts'
  keys: 'azure-webjobs-secrets'
  package: 'deployment'
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

resource storageGroup 'Microsoft.Resources/resourceGroups@2025-04-01' existing = {
  name: empty(existingStorageName) ? group.name : existingStorageResourceGroup
}

resource workspaceGroup 'Microsoft.Resources/resourceGroups@2025-04-01' existing = {
  name: empty(existingWorkspaceName) ? group.name : existingWorkspaceResourceGroup
}

module identities 'modules/identities.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
  }
}

module storageAccount 'modules/storage-account.bicep' = if (empty(existingStorageName)) {
  scope: group
  params: {
    location: location
    tags: tags
    name: storageName
    redundancy: storageRedundancy
    logsId: monitoring.outputs.logsId
  }
}

module storageContainers 'modules/storage-containers.bicep' = {
  scope: storageGroup
  params: {
    accountName: storageName
    containers: containers
    host: hostContainers
  }
  dependsOn: [storageAccount]
}

module workspace 'modules/workspace.bicep' = if (empty(existingWorkspaceName)) {
  scope: group
  params: {
    location: location
    tags: tags
    name: workspaceName
    suffix: suffix
    storageId: storageContainers.outputs.accountId
    applicationInsightsId: monitoring.outputs.applicationInsightsId
  }
}

module compute 'modules/compute.bicep' = {
  scope: workspaceGroup
  params: {
    location: location
    workspaceName: workspaceName
    clusterName: clusterName
    identityId: identities.outputs.clusterIdentityId
    vmSize: clusterVmSize
    vmPriority: clusterPriority
    maxNodes: clusterMaxNodes
    idleTime: clusterIdleTime
    storageName: storageName
    containers: containers
  }
  dependsOn: [workspace]
}

module storageRoles 'modules/storage-roles.bicep' = {
  scope: storageGroup
  params: {
    accountName: storageName
    appPrincipalId: identities.outputs.appPrincipalId
    clusterPrincipalId: identities.outputs.clusterPrincipalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
    containers: containers
    host: hostContainers
  }
  dependsOn: [storageContainers]
}

module workspaceRoles 'modules/workspace-roles.bicep' = {
  scope: workspaceGroup
  params: {
    workspaceName: workspaceName
    appPrincipalId: identities.outputs.appPrincipalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
  }
  dependsOn: [workspace]
}

module monitoringRoles 'modules/monitoring-roles.bicep' = {
  scope: group
  params: {
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    appPrincipalId: identities.outputs.appPrincipalId
  }
}

module app 'modules/function-app.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: 'func-${suffix}'
    identityId: identities.outputs.appIdentityId
    identityClientId: identities.outputs.appClientId
    storageName: storageName
    deploymentContainer: hostContainers.package
    containers: containers
    applicationInsightsConnectionString: monitoring.outputs.applicationInsightsConnectionString
    schedule: schedule
    lateSweepMinutes: lateSweepMinutes
    workspaceGroupName: workspaceGroup.name
    workspaceName: workspaceName
    clusterName: clusterName
  }
  dependsOn: [storageRoles, monitoringRoles]
}

module events 'modules/events.bicep' = {
  scope: storageGroup
  params: {
    location: storageContainers.outputs.location
    tags: tags
    suffix: suffix
    storageName: storageName
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    email: alertEmail
    lateSweepMinutes: lateSweepMinutes
  }
}

// azd keeps these in its environment: the hooks and `python -m pipeline` read them there.
output AZURE_SUBSCRIPTION_ID string = subscription().subscriptionId
output AZURE_RESOURCE_GROUP string = workspaceGroup.name
output AZUREML_WORKSPACE_NAME string = workspaceName
output AZUREML_COMPUTE string = clusterName
output SCORING_ENGINE string = 'azureml'
output ScoringStorage__blobServiceUri string = 'https://${storageName}.blob.${environment().suffixes.storage}'
output AZURE_AUTHORITY_HOST string = environment().authentication.loginEndpoint
output AZUREML_CURRENT_CLOUD string = environment().name
output SCORING_SCHEDULE string = schedule
output SCORING_LATE_SWEEP_MINUTES string = string(lateSweepMinutes)
output SCORING_DATA_CONTAINER string = containers.data
output SCORING_PREDS_CONTAINER string = containers.preds
output FUNCTION_APP_NAME string = app.outputs.name
output FUNCTION_APP_HOST string = app.outputs.hostName
output FUNCTION_APP_GROUP string = group.name
output EVENT_TOPIC_NAME string = events.outputs.topicName
output EVENT_TOPIC_GROUP string = storageGroup.name
output APPLICATION_INSIGHTS_NAME string = monitoring.outputs.applicationInsightsName
output STORAGE_NAME string = storageName
