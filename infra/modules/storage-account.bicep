// One account for readings, models, predictions, runs, the app's package and the host's own bookkeeping.
type resourceTags = {
  'azd-env-name': string
}

param location string
param tags resourceTags
param name string
param redundancy string
param logsId string

resource account 'Microsoft.Storage/storageAccounts@2026-06-01' = {
  //checkov:skip=CKV_AZURE_35:without a virtual network the app has no fixed address to allow; identity guards every call
  //checkov:skip=CKV_AZURE_59:as above; anonymous access is off and there are no shared keys
  //checkov:skip=CKV_AZURE_206:zone redundancy by default; the parameter storageRedundancy offers copies in another region
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false // identities only; there is no key to leak
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled' // Flex Consumption without a virtual network reaches it by its public name
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2026-06-01' = {
  parent: account
  name: 'default'
  properties: {
    // What was deleted by mistake can be restored for a week. Versions serve the models and the runs: what a model or
    // a published pipeline was before it was overwritten. They are an account's setting; the lifecycle ends them.
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    isVersioningEnabled: true
  }
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2026-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'cool-old-predictions'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['preds/']
            }
            actions: {
              baseBlob: {
                tierToCool: { daysAfterModificationGreaterThan: 90 }
              }
            }
          }
        }
        {
          name: 'delete-old-versions'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'] }
            actions: {
              version: {
                delete: { daysAfterCreationGreaterThan: 30 }
              }
            }
          }
        }
      ]
    }
  }
  dependsOn: [blobs]
}

// Who changed or deleted a model, a run's record or a published pipeline. A setting covers all containers, and each
// reading that a step reads would be a line: reads are not logged. (No stable version of the type is newer.)
#disable-next-line use-recent-api-versions
resource changes 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'changes'
  scope: blobs
  properties: {
    workspaceId: logsId
    logs: [
      {
        category: 'StorageWrite'
        enabled: true
      }
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
  }
}
