// Alerts for the operator. The rules match the start of lines that the app itself logs (pipeline/alerts.py; a test
// compares), not lines of the Functions host, which change with its version.
type resourceTags = {
  'azd-env-name': string
}

param location string
param tags resourceTags
param suffix string
param applicationInsightsId string
param email string
param lateSweepMinutes int

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'scoring'
    emailReceivers: [
      {
        name: 'operator'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

var rules = [
  {
    name: 'no-sweep'
    title: 'No sweep has finished'
    text: 'The timer finished no sweep within ${lateSweepMinutes} minutes: the app does not run, or each of its calls fails. See docs/operations.md, "No sweep has finished".'
    query: 'traces | where message startswith "sweep finished:"'
    window: 'PT${lateSweepMinutes}M'
    operator: 'LessThan'
    threshold: 1
  }
  {
    name: 'missing-events'
    title: 'Blob events are not arriving'
    text: 'A sweep found landings that should have had a run by their event long before. They are scored by the sweep; see docs/operations.md, "Blob events are not arriving".'
    query: 'traces | where message startswith "events are not arriving:"'
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'failed-runs'
    title: 'A scoring run failed'
    text: 'A run failed and has no try left. See: python -m pipeline runs; docs/operations.md, "A run failed".'
    query: 'traces | where message startswith "run failed for good:"'
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
]

resource alerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in rules: {
    name: '${rule.name}-${suffix}'
    location: location
    tags: tags
    properties: {
      displayName: rule.title
      description: rule.text
      enabled: true
      severity: 2
      scopes: [applicationInsightsId]
      evaluationFrequency: 'PT15M'
      windowSize: rule.window
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: rule.threshold
          }
        ]
      }
      actions: { actionGroups: empty(email) ? [] : [people.id] }
      autoMitigate: true
    }
  }
]
