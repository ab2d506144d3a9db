"""PostgreSQL and Redis started by the project itself, for development and small installations.

`embedded` is the front door: one holder starts both servers, and they stop with it. Not used where
DATABASE_URL and REDIS_URL name servers of your own.
"""
