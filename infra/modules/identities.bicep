// Two identities: the app and the steps have different rights.
type resourceTags = {
  'azd-env-name': string
}

param location string
param tags resourceTags
param suffix string

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-app-${suffix}'
  location: location
  tags: tags
}

resource clusterIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-cluster-${suffix}'
  location: location
  tags: tags
}

output appIdentityId string = appIdentity.id
output appClientId string = appIdentity.properties.clientId
output appPrincipalId string = appIdentity.properties.principalId
output clusterIdentityId string = clusterIdentity.id
output clusterPrincipalId string = clusterIdentity.properties.principalId
