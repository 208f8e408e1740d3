// All settings of the function app.
param appName string

@description('Name and value of each: any names, so there is no type of their own for them.')
@secure()
#disable-next-line use-user-defined-types
param settings object

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource values 'Microsoft.Web/sites/config@2025-03-01' = {
  //checkov:skip=CKV_AZURE_222:these are app settings, not the site's properties, which the next rules look for
  //checkov:skip=CKV_AZURE_66:as above; the app logs to Application Insights
  //checkov:skip=CKV_AZURE_63:as above
  //checkov:skip=CKV_AZURE_65:as above
  //checkov:skip=CKV_AZURE_80:as above; and this is Python
  //checkov:skip=CKV_AZURE_13:as above; the app has no page to sign in to
  //checkov:skip=CKV_AZURE_88:as above; the app keeps nothing on a disk
  parent: app
  name: 'appsettings'
  properties: settings
}
