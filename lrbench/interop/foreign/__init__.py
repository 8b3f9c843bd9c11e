"""Settings files of other libraries, as overrides of lrbench that give the same rates.

In the order of reading: `read` (a file as plain data; nothing is run), `given` (its settings, and which were taken),
`imported` (what all of them come to), then a library a file: `timm`, `transformers`, `torchvision`, `lightning`,
`mmengine`. Each has `imported(values, asked)`.
"""
