// The cluster that steps run on, from zero nodes up, and a datastore per container without any credential:
// a step reads and writes with the cluster's identity.
type fleetContainers = {
  data: string
  models: string
  preds: string
  runs: string
}

param location string
param workspaceName string
param clusterName string
param identityId string
param vmSize string
param vmPriority string
param maxNodes int
param idleTime string
param storageName string
param containers fleetContainers

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspaceName
}

resource cluster 'Microsoft.MachineLearningServices/workspaces/computes@2025-06-01' = {
  parent: workspace
  name: clusterName
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    computeType: 'AmlCompute'
    disableLocalAuth: true
    properties: {
      vmSize: vmSize
      vmPriority: vmPriority
      osType: 'Linux'
      remoteLoginPortPublicAccess: 'Disabled'
      scaleSettings: {
        minNodeCount: 0 // idle costs nothing
        maxNodeCount: maxNodes
        nodeIdleTimeBeforeScaleDown: idleTime
      }
    }
  }
}

resource datastores 'Microsoft.MachineLearningServices/workspaces/datastores@2025-06-01' = [
  for container in items(containers): {
    parent: workspace
    name: 'scoring_${container.key}'
    properties: {
      datastoreType: 'AzureBlob'
      accountName: storageName
      containerName: container.value
      credentials: { credentialsType: 'None' }
      serviceDataAccessAuthIdentity: 'None'
    }
  }
]
