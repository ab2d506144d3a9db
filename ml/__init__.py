"""The numerical rooms: numpy, torch, faiss and implicit. No Django, no database, no settings."""
