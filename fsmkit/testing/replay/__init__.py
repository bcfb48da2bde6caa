"""Conversations that took place, replayed: recorded ones, those of a live store, and one on two stores."""
