"""Background work that keeps the index current: embedding jobs, compaction, photo copies.

`embedding_jobs` claims what waits and stores vectors; `wakeup` tells a worker that there is work. Knows no
request.
"""
