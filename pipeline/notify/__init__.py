"""Notifications: events from the outbox of the fleet state, delivered to queues, webhooks and Event Grid."""
