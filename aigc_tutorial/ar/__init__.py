"""Autoregressive models: from counting to attention."""
