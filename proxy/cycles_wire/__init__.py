"""What stands on the wire of the Cycles protocol; pure.

    schemas    the parts that requests and answers are made of
    requests   what a client sends, read strictly
    responses  what an authority answers, written exactly
    errors     the codes and the one body of every error
    headers    the names of headers
    reading    bytes to a request, or one sentence about what is wrong with them
    canonical  one spelling of a JSON value, to hash and to keep
    subjects   who is meant: the subject of a request as a ledger knows it

Names of schemas and fields are those of the protocol, so that its document and this package
read side by side. Source of them all: cycles-protocol-v0.yaml 0.1.25.16, the schema of the
same name.
"""
