"""What runs leave on disk: `record` (one run), `lease` and `locks` (who may write it), `evidence` (committed rows),
`runs` and its `index` (asking ten thousand of them)."""
