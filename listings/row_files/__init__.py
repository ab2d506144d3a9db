"""Files of rows, in CSV, JSON lines or Parquet, read alike in constant memory, whatever program wrote them.

`reading` opens a file. A row that cannot be read has a problem and stops nothing; none is passed over.
Nothing here knows what the rows mean.
"""
