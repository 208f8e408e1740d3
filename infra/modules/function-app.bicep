// The function app on Flex Consumption. Its identity is the only way it reaches anything.
type fleetContainers = {
  data: string
  models: string
  preds: string
  runs: string
}

type resourceTags = {
  'azd-env-name': string
}

param location string
param tags resourceTags
param name string
param identityId string
param identityClientId string
param storageName string
param deploymentContainer string
param containers fleetContainers
param applicationInsightsConnectionString string
param schedule string
param lateSweepMinutes int
param workspaceGroupName string
param workspaceName string
param clusterName string

var blobEndpoint = 'https://${storageName}.blob.${environment().suffixes.storage}'
var queueEndpoint = 'https://${storageName}.queue.${environment().suffixes.storage}'

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  //checkov:skip=CKV_AZURE_225:the next sweep finishes what a failed zone left open
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  //checkov:skip=CKV_AZURE_222:Event Grid delivers to the app's public webhook, which requires its key
  //checkov:skip=CKV_AZURE_17:Event Grid has no client certificate; the app has no HTTP function of its own
  //checkov:skip=CKV_AZURE_212:Flex Consumption scales from zero and counts its own instances
  //checkov:skip=CKV_AZURE_213:Flex Consumption monitors the worker itself; there is no page to probe
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}/${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 40
      }
    }
  }
}

// A deployment replaces all settings of an app: those that people have set, such as NOTIFY_ addresses, stay, and
// ours win. It is a module because a resource cannot read the settings that it writes.
module settings 'app-settings.bicep' = {
  params: {
    appName: app.name
    settings: union(list('${app.id}/config/appsettings', '2025-03-01').properties, {
      // The host's own storage, by identity.
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__blobServiceUri: blobEndpoint
      AzureWebJobsStorage__queueServiceUri: queueEndpoint
      APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      // The worker exports its own logs and traces, as host.json (telemetryMode) configures for the host.
      PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
      // DefaultAzureCredential uses this identity and this cloud's authority; azure-ai-ml uses the cloud's name.
      AZURE_CLIENT_ID: identityClientId
      AZURE_AUTHORITY_HOST: environment().authentication.loginEndpoint
      AZUREML_CURRENT_CLOUD: environment().name
      // The storage of readings, models, predictions and runs, by identity; the queue for the poison queue.
      ScoringStorage__credential: 'managedidentity'
      ScoringStorage__clientId: identityClientId
      ScoringStorage__blobServiceUri: blobEndpoint
      ScoringStorage__queueServiceUri: queueEndpoint
      SCORING_BLOB_SOURCE: 'EventGrid'
      SCORING_DATA_CONTAINER: containers.data
      SCORING_MODELS_CONTAINER: containers.models
      SCORING_PREDS_CONTAINER: containers.preds
      SCORING_RUNS_CONTAINER: containers.runs
      SCORING_SCHEDULE: schedule
      SCORING_LATE_SWEEP_MINUTES: string(lateSweepMinutes)
      SCORING_ENGINE: 'azureml'
      AZURE_SUBSCRIPTION_ID: subscription().subscriptionId
      AZURE_RESOURCE_GROUP: workspaceGroupName
      AZUREML_WORKSPACE_NAME: workspaceName
      AZUREML_COMPUTE: clusterName
    })
  }
}

output name string = app.name
output hostName string = app.properties.defaultHostName
