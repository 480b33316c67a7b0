"""The YAML people write: what it may say, what is wrong with it, and its documentation.

model      all sections together; read by app.py alone
sections/  one part of the file each; the docstring under a field is its documentation
load       a file and an environment in, a Config out, or every finding at once
source     YAML as written: lines, duplicate keys, ${ENV}
findings   what is wrong, where, and what is accepted
checks     what is valid and still not what anybody meant
reach      which scopes calls can have, and the budgets that do not fit them
outward    what stands in the way to upstreams
explain    what a validation error says to who wrote the file
convert    the sections as the words of the domain
describe   what a key accepts, in words; for findings and for the reference
reference  docs/configuration.md and docs/config.schema.json
"""
