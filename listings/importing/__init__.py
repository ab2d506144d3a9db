"""Import and export of listings as files.

`csv_import` reads a folder of rows and photos in chunks and reports each refused row; `export` writes what
`csv_import` reads. Rows become listings through the verbs of `listings` alone.
"""
