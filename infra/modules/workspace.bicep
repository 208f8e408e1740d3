// The Azure ML workspace that runs the published pipeline. It reads storage by identity.
type resourceTags = {
  'azd-env-name': string
}

param location string
param tags resourceTags
param name string
param suffix string
param storageId string
param applicationInsightsId string

// A workspace cannot be created without a vault; this project stores nothing in it.
resource vault 'Microsoft.KeyVault/vaults@2026-05-15' = {
  //checkov:skip=CKV_AZURE_189:the firewall denies all but trusted services; this project stores nothing in it
  name: 'kv-${take(suffix, 20)}'
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices' // the workspace is a trusted service
      defaultAction: 'Deny'
    }
  }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' = {
  //checkov:skip=CKV_AZURE_243:private endpoints need a virtual network of the user's; identity guards every call
  name: name
  location: location
  tags: tags
  kind: 'Default'
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  identity: { type: 'SystemAssigned' }
  properties: {
    friendlyName: 'Fleet Scoring'
    storageAccount: storageId
    keyVault: vault.id
    applicationInsights: applicationInsightsId
    systemDatastoresAuthMode: 'identity'
    publicNetworkAccess: 'Enabled'
    v1LegacyMode: false
  }
}
