// Two things that someone should hear of: a run that failed for good, and an event that was given up.
type resourceTags = {
  'azd-env-name': string
}

param location string
param tags resourceTags
param suffix string
param applicationInsightsId string
param email string

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
    name: 'failed-runs'
    title: 'A scoring run failed'
    text: 'A run ended as failed and has no try left. See: python -m pipeline runs; docs/operations.md, "A run failed".'
    query: 'traces | where message has "has failed for good"'
  }
  {
    name: 'poison-queue'
    title: 'A blob event was given up'
    text: 'The host moved an event to webjobs-blobtrigger-poison after all its tries. The next sweep scores the landing all the same; find out why it failed.'
    query: 'traces | where message has "webjobs-blobtrigger-poison"'
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
      windowSize: 'PT15M'
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
          }
        ]
      }
      actions: { actionGroups: empty(email) ? [] : [people.id] }
      autoMitigate: true
    }
  }
]
