"""The autoregressive models, from counting to attention, one file each."""
