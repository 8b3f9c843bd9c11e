"""Which seeds a study's runs have: each role its own, the same in every study, so that studies share runs."""

SEEDS_A_ROLE = 1_000_000
SEEDS_A_REPLICATE = 1_000
ROLES = {"tuning": 1, "confirmation": 2, "second look": 3, "finder": 4}  # below 1,000,000 lie a person's own seeds
